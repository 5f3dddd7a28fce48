//! What is kept of a SCRAM password (RFC 5802), and how `kafka-storage.sh format --add-scram` names one.

use crate::features::FeatureError;
use hmac::{Hmac, Mac};
use ottla_wire::metadata_records::UserScramCredentialRecord;
use sha2::{Digest, Sha256, Sha512};

/// The codes are the protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
pub enum ScramMechanism {
    Sha256 = 1,
    Sha512 = 2,
}

pub const MIN_ITERATIONS: i32 = 4096;
pub const MAX_ITERATIONS: i32 = 16384;

impl ScramMechanism {
    pub fn from_code(code: i8) -> Option<ScramMechanism> {
        match code {
            1 => Some(ScramMechanism::Sha256),
            2 => Some(ScramMechanism::Sha512),
            _ => None,
        }
    }

    pub fn from_name(name: &str) -> Option<ScramMechanism> {
        match name {
            "SCRAM-SHA-256" => Some(ScramMechanism::Sha256),
            "SCRAM-SHA-512" => Some(ScramMechanism::Sha512),
            _ => None,
        }
    }

    pub fn code(self) -> i8 {
        self as i8
    }

    pub fn name(self) -> &'static str {
        match self {
            ScramMechanism::Sha256 => "SCRAM-SHA-256",
            ScramMechanism::Sha512 => "SCRAM-SHA-512",
        }
    }

    pub fn hash(self, data: &[u8]) -> Vec<u8> {
        match self {
            ScramMechanism::Sha256 => Sha256::digest(data).to_vec(),
            ScramMechanism::Sha512 => Sha512::digest(data).to_vec(),
        }
    }

    pub fn hmac(self, key: &[u8], data: &[&[u8]]) -> Vec<u8> {
        match self {
            ScramMechanism::Sha256 => hmac_of(Hmac::<Sha256>::new_from_slice(key).ok(), data),
            ScramMechanism::Sha512 => hmac_of(Hmac::<Sha512>::new_from_slice(key).ok(), data),
        }
    }

    /// `Hi` of the RFC. The password is taken as it is, as Kafka takes it.
    pub fn salted_password(self, password: &str, salt: &[u8], iterations: i32) -> Vec<u8> {
        let mut last = self.hmac(password.as_bytes(), &[salt, &[0, 0, 0, 1]]);
        let mut result = last.clone();
        for _ in 1..iterations {
            last = self.hmac(password.as_bytes(), &[&last]);
            for (byte, other) in result.iter_mut().zip(&last) {
                *byte ^= other;
            }
        }
        result
    }

    /// What is stored for a user.
    pub fn credential(
        self,
        user: &str,
        salt: &[u8],
        salted_password: &[u8],
        iterations: i32,
    ) -> UserScramCredentialRecord {
        UserScramCredentialRecord {
            name: user.to_owned(),
            mechanism: self.code(),
            salt: salt.to_vec().into(),
            stored_key: self.hash(&self.hmac(salted_password, &[b"Client Key"])).into(),
            server_key: self.hmac(salted_password, &[b"Server Key"]).into(),
            iterations,
            ..UserScramCredentialRecord::default()
        }
    }
}

fn hmac_of<M: Mac>(mac: Option<M>, data: &[&[u8]]) -> Vec<u8> {
    // A key of any length is taken.
    let Some(mut mac) = mac else { return Vec::new() };
    for part in data {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// Reads `SCRAM-SHA-256=[name=alice,password=secret]`, with `salt`, `iterations` and `saltedpassword` where they are given.
/// `random_salt` is used where no salt is.
pub fn parse_argument(
    argument: &str,
    random_salt: &mut dyn FnMut() -> Vec<u8>,
) -> Result<UserScramCredentialRecord, FeatureError> {
    let argument = argument.trim();
    let Some((name, config)) = argument.split_once('=') else {
        return Err(FeatureError(format!("Failed to find equals sign in SCRAM argument '{argument}'")));
    };
    let Some(mechanism) = ScramMechanism::from_name(name) else {
        return Err(FeatureError(format!("The add-scram mechanism {name} is not supported.")));
    };
    let Some(config) = config.strip_prefix('[') else {
        return Err(FeatureError("Expected configuration string to start with [".to_owned()));
    };
    let Some(config) = config.strip_suffix(']') else {
        return Err(FeatureError("Expected configuration string to end with ]".to_owned()));
    };
    let parts = Parts::parse(config)?;
    let salt = parts.salt.unwrap_or_else(random_salt);
    let iterations = parts.iterations.unwrap_or(MIN_ITERATIONS);
    let shown = format!("SCRAM_SHA_{}", &name["SCRAM-SHA-".len()..]);
    if iterations < MIN_ITERATIONS {
        return Err(FeatureError(format!(
            "The 'iterations' value must be >= {MIN_ITERATIONS} for add-scram using {shown}"
        )));
    }
    if iterations > MAX_ITERATIONS {
        return Err(FeatureError(format!(
            "The 'iterations' value must be <= {MAX_ITERATIONS} for add-scram using {shown}"
        )));
    }
    let salted = match parts.secret {
        Secret::Salted(salted) => salted,
        Secret::Password(password) => mechanism.salted_password(&password, &salt, iterations),
    };
    Ok(mechanism.credential(&parts.name, &salt, &salted, iterations))
}

enum Secret {
    Password(String),
    Salted(Vec<u8>),
}

struct Parts {
    name: String,
    salt: Option<Vec<u8>>,
    iterations: Option<i32>,
    secret: Secret,
}

impl Parts {
    fn parse(config: &str) -> Result<Parts, FeatureError> {
        let mut values = std::collections::BTreeMap::new();
        for part in config.split(',') {
            let Some((key, value)) = part.split_once('=') else {
                return Err(FeatureError(format!("No equals sign found in SCRAM component: {part}")));
            };
            let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            values.insert(key, unquoted.unwrap_or(value));
        }
        let Some(name) = values.remove("name") else {
            return Err(FeatureError("You must supply 'name' to add-scram".to_owned()));
        };
        let decode = |what: &str, text: &str| {
            decode_base64(text).ok_or_else(|| FeatureError(format!("Failed to decode given {what}: {text}")))
        };
        let salt = values.remove("salt").map(|text| decode("salt", text)).transpose()?;
        let iterations = values
            .remove("iterations")
            .map(|text| text.parse().map_err(|_| FeatureError(format!("Failed to parse iterations count: {text}"))));
        let iterations = iterations.transpose()?;
        let secret = match (values.remove("password"), values.remove("saltedpassword")) {
            (Some(password), _) => Secret::Password(password.to_owned()),
            (None, Some(_)) if salt.is_none() => {
                return Err(FeatureError("You must supply 'salt' with 'saltedpassword' to add-scram".to_owned()));
            }
            (None, Some(salted)) => Secret::Salted(decode("saltedPassword", salted)?),
            (None, None) => {
                let message = "You must supply one of 'password' or 'saltedpassword' to add-scram";
                return Err(FeatureError(message.to_owned()));
            }
        };
        if !values.is_empty() {
            let keys: Vec<&str> = values.into_keys().collect();
            return Err(FeatureError(format!("Unknown SCRAM configurations: {}", keys.join(", "))));
        }
        Ok(Parts { name: name.to_owned(), salt, iterations, secret })
    }
}

/// Java's basic decoder: padding may be left out, anything else that is not of the alphabet is an error.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    if digits.len() % 4 == 1 || (padding > 0 && !text.len().is_multiple_of(4)) || padding > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(digits.len() * 3 / 4);
    let (mut buffer, mut bits) = (0u32, 0u32);
    for byte in digits.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        buffer = buffer << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((buffer >> bits) as u8);
            buffer &= (1 << bits) - 1;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_error(argument: &str, expect: &str) {
        let error = parse_argument(argument, &mut || vec![1; 8]).unwrap_err();
        assert_eq!(error.0, expect);
    }

    /// The example of RFC 7677.
    #[test]
    fn keys_are_those_of_the_rfc() {
        let salt = decode_base64("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let mechanism = ScramMechanism::Sha256;
        let salted = mechanism.salted_password("pencil", &salt, 4096);
        let record = mechanism.credential("user", &salt, &salted, 4096);
        assert_eq!(record.stored_key, decode_base64("WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=").unwrap());
        assert_eq!(record.server_key, decode_base64("wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=").unwrap());
    }

    #[test]
    fn arguments() {
        let with_salt = r#"SCRAM-SHA-256=[name=alice,salt="MWx2NHBkbnc0ZndxN25vdGN4bTB5eTFrN3E=",saltedpassword="mT0yyUUxnlJaC99HXgRTSYlbuqa4FSGtJCJfTMvjYCE="]"#;
        let record = parse_argument(with_salt, &mut || panic!("a salt is given")).unwrap();
        assert_eq!((record.name.as_str(), record.iterations), ("alice", 4096));
        let record = parse_argument("SCRAM-SHA-512=[name=b,password=x,iterations=8192]", &mut || vec![7; 9]).unwrap();
        assert_eq!((record.mechanism, record.iterations, &record.salt[..]), (2, 8192, &[7; 9][..]));
        check_error("SCRAM-SHA-256", "Failed to find equals sign in SCRAM argument 'SCRAM-SHA-256'");
        check_error("SCRAM-MD5=[]", "The add-scram mechanism SCRAM-MD5 is not supported.");
        check_error("SCRAM-SHA-256=name=a", "Expected configuration string to start with [");
        check_error("SCRAM-SHA-256=[name=a", "Expected configuration string to end with ]");
        check_error("SCRAM-SHA-256=[password=a]", "You must supply 'name' to add-scram");
        check_error("SCRAM-SHA-256=[name=a,salt=b*]", "Failed to decode given salt: b*");
        check_error("SCRAM-SHA-256=[name=a,x=1,password=b]", "Unknown SCRAM configurations: x");
        check_error(
            "SCRAM-SHA-256=[name=a,password=b,iterations=4095]",
            "The 'iterations' value must be >= 4096 for add-scram using SCRAM_SHA_256",
        );
    }
}
