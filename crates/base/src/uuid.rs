//! Kafka's UUIDs: 16 bytes, written as 22 characters of URL-safe base64 without padding.

use std::fmt;
use std::str::FromStr;

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Uuid(pub [u8; 16]);

#[derive(Debug, PartialEq, Eq)]
pub struct ParseUuidError {
    pub input: String,
}

impl fmt::Display for ParseUuidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' is not a Kafka UUID: expected 22 characters of URL-safe base64 (16 bytes), such as the output of kafka-storage.sh random-uuid",
            self.input
        )
    }
}

impl std::error::Error for ParseUuidError {}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Uuid {
    /// "None". Also MIGRATING where it stands for a directory.
    pub const ZERO: Uuid = Uuid([0; 16]);
    /// The id of `__cluster_metadata`. Also UNASSIGNED where it stands for a directory.
    pub const ONE: Uuid = Uuid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    pub const METADATA_TOPIC_ID: Uuid = Uuid::ONE;
    pub const UNASSIGNED_DIR: Uuid = Uuid([0; 16]).with_last(1);
    pub const LOST_DIR: Uuid = Uuid([0; 16]).with_last(2);

    const fn with_last(mut self, last: u8) -> Uuid {
        self.0[15] = last;
        self
    }

    /// A version 4 (random) UUID made of these bytes.
    pub fn random_from(mut bytes: [u8; 16]) -> Uuid {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Uuid(bytes)
    }

    pub fn is_zero(&self) -> bool {
        *self == Uuid::ZERO
    }

    /// The first hundred ids are Kafka's own, never a random one.
    pub fn is_reserved(&self) -> bool {
        self.0[..15].iter().all(|byte| *byte == 0) && self.0[15] < 100
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = [0u8; 22];
        for (i, slot) in out.iter_mut().enumerate() {
            let bit = i * 6;
            let high = u16::from(self.0[bit / 8]) << 8;
            let low = self.0.get(bit / 8 + 1).copied().unwrap_or(0);
            let window = high | u16::from(low);
            *slot = ALPHABET[usize::from((window >> (10 - bit % 8)) & 0x3f)];
        }
        f.write_str(std::str::from_utf8(&out).unwrap_or_default())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Uuid {
    type Err = ParseUuidError;

    fn from_str(input: &str) -> Result<Self, Self::Err> {
        let error = || ParseUuidError { input: input.to_owned() };
        // Java's decoder takes the padding or leaves it.
        let text = input.trim_end_matches('=');
        if text.len() != 22 {
            return Err(error());
        }
        let mut value: u128 = 0;
        for (i, byte) in text.bytes().enumerate() {
            let digit = ALPHABET.iter().position(|c| *c == byte).ok_or_else(error)? as u128;
            // 22 digits hold 132 bits: the last four are padding.
            value = if i < 21 { value << 6 | digit } else { value << 2 | digit >> 4 };
        }
        Ok(Uuid(value.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: [u8; 16], text: &str) {
        assert_eq!(Uuid(bytes).to_string(), text);
        assert_eq!(text.parse::<Uuid>(), Ok(Uuid(bytes)));
    }

    #[test]
    fn text_form_is_kafkas() {
        check([0; 16], "AAAAAAAAAAAAAAAAAAAAAA");
        check(Uuid::ONE.0, "AAAAAAAAAAAAAAAAAAAAAQ");
        check([0xff; 16], "_____________________w");
        check(*b"\x32\x45\x37\x38\x45\x42\x35\x37\x30\x35\x32\x44\x34\x33\x36\x42", "MkU3OEVCNTcwNTJENDM2Qg");
    }

    #[test]
    fn what_is_not_a_uuid_is_named() {
        let error = "abc".parse::<Uuid>().unwrap_err();
        assert!(error.to_string().contains("'abc'"));
        assert!("!AAAAAAAAAAAAAAAAAAAAA".parse::<Uuid>().is_err());
    }
}
