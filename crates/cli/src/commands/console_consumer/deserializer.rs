//! Bytes as text, by the names of Kafka's deserializers.

use crate::stop::Failure;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deserializer {
    String,
    Integer,
    Long,
    Short,
    Float,
    Double,
    Boolean,
    Bytes,
    ByteArray,
    ByteBuffer,
    Uuid,
    Void,
}

impl Deserializer {
    pub fn by_class(class: &str) -> Option<Deserializer> {
        let name = class.strip_prefix("org.apache.kafka.common.serialization.")?.strip_suffix("Deserializer")?;
        Some(match name {
            "String" => Deserializer::String,
            "Integer" => Deserializer::Integer,
            "Long" => Deserializer::Long,
            "Short" => Deserializer::Short,
            "Float" => Deserializer::Float,
            "Double" => Deserializer::Double,
            "Boolean" => Deserializer::Boolean,
            "Bytes" => Deserializer::Bytes,
            "ByteArray" => Deserializer::ByteArray,
            "ByteBuffer" => Deserializer::ByteBuffer,
            "UUID" => Deserializer::Uuid,
            "Void" => Deserializer::Void,
            _ => return None,
        })
    }

    pub fn text(self, bytes: &[u8]) -> Result<String, Failure> {
        let error = |message: String| Failure::new("org.apache.kafka.common.errors.SerializationException", message);
        let wrong_size = |wanted: usize| {
            let name =
                if self == Deserializer::Float { "Deserializer".to_owned() } else { format!("{self:?}Deserializer") };
            error(format!("Size of data received by {name} is not {wanted}"))
        };
        Ok(match self {
            Deserializer::String => String::from_utf8_lossy(bytes).into_owned(),
            Deserializer::Integer => i32::from_be_bytes(bytes.try_into().map_err(|_| wrong_size(4))?).to_string(),
            Deserializer::Long => i64::from_be_bytes(bytes.try_into().map_err(|_| wrong_size(8))?).to_string(),
            Deserializer::Short => i16::from_be_bytes(bytes.try_into().map_err(|_| wrong_size(2))?).to_string(),
            Deserializer::Float => {
                let value = f32::from_be_bytes(bytes.try_into().map_err(|_| wrong_size(4))?);
                java_float(f64::from(value), &format!("{value:e}"))
            }
            Deserializer::Double => {
                let value = f64::from_be_bytes(
                    bytes.try_into().map_err(|_| error("Size of data received by Deserializer is not 8".to_owned()))?,
                );
                java_float(value, &format!("{value:e}"))
            }
            Deserializer::Boolean => match bytes {
                [1] => "true".to_owned(),
                [0] => "false".to_owned(),
                [other] => {
                    return Err(error(format!("Unexpected byte received by BooleanDeserializer: {}", *other as i8)));
                }
                _ => return Err(wrong_size(1)),
            },
            Deserializer::Bytes => escaped(bytes),
            // Java prints a type and an address here; the address is chance.
            Deserializer::ByteArray => "[B@0".to_owned(),
            Deserializer::ByteBuffer => format!("java.nio.HeapByteBuffer[pos=0 lim={0} cap={0}]", bytes.len()),
            Deserializer::Uuid => {
                let text = String::from_utf8_lossy(bytes);
                normal_uuid(&text).ok_or_else(|| error("Error parsing data into UUID".to_owned()))?
            }
            Deserializer::Void => return Err(Failure::illegal_argument("Data should be null for a VoidDeserializer.")),
        })
    }
}

/// As `Bytes.toString` has it: what is not printable ASCII as `\xNN`.
fn escaped(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes {
        match byte {
            b' '..=b'~' if *byte != b'\\' => out.push(char::from(*byte)),
            _ => out.push_str(&format!("\\x{byte:02X}")),
        }
    }
    out
}

/// `Double.toString`, from the shortest digits that read back as the same number (`d.ddde±x`).
fn java_float(value: f64, shortest: &str) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let with_point = |whole: &str, rest: &str| format!("{sign}{whole}.{}", if rest.is_empty() { "0" } else { rest });
    match exponent {
        -3..=-1 => with_point("0", &format!("{}{digits}", "0".repeat((-exponent - 1) as usize))),
        0..=6 => {
            let whole = exponent as usize + 1;
            let padded = format!("{digits:0<whole$}");
            with_point(&padded[..whole], &padded[whole..])
        }
        _ => {
            let (first, rest) = digits.split_at(1.min(digits.len()));
            format!("{}E{exponent}", with_point(first, rest))
        }
    }
}

/// `UUID.fromString(…).toString()`: groups may be shorter than they should be.
fn normal_uuid(text: &str) -> Option<String> {
    let groups: Vec<&str> = text.split('-').collect();
    let widths = [8, 4, 4, 4, 12];
    if groups.len() != widths.len() || text.len() > 36 {
        return None;
    }
    let number = |(group, width): (&&str, &usize)| {
        let value = u64::from_str_radix(group, 16).ok()?;
        let mask = if *width == 12 { (1 << 48) - 1 } else { (1 << (4 * width)) - 1 };
        Some(format!("{:0width$x}", value & mask))
    };
    let parts: Option<Vec<String>> = groups.iter().zip(&widths).map(number).collect();
    Some(parts?.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, bytes: &[u8], expected: &str) {
        let class = format!("org.apache.kafka.common.serialization.{name}Deserializer");
        let shown = match Deserializer::by_class(&class).unwrap().text(bytes) {
            Ok(text) => text,
            Err(failure) => failure.message,
        };
        assert_eq!(shown, expected, "{name}");
    }

    #[test]
    fn text_is_javas() {
        check("String", "ä".as_bytes(), "ä");
        check("Integer", &[0xff; 4], "-1");
        check("Integer", b"abc", "Size of data received by IntegerDeserializer is not 4");
        check("Long", &5i64.to_be_bytes(), "5");
        check("Boolean", &[1], "true");
        check("Bytes", b"a\\\x00\xff ", "a\\x5C\\x00\\xFF ");
        check("UUID", b"1-2-3-4-5", "00000001-0002-0003-0004-000000000005");
        check("UUID", b"x", "Error parsing data into UUID");
        for (value, text) in [
            (0.0, "0.0"),
            (-1.5, "-1.5"),
            (100.0, "100.0"),
            (1_234_567.0, "1234567.0"),
            (12_345_678.0, "1.2345678E7"),
            (0.001, "0.001"),
            (0.000_12, "1.2E-4"),
            (f64::NAN, "NaN"),
            (1e300, "1.0E300"),
        ] {
            check("Double", &value.to_be_bytes(), text);
        }
        check("Float", &0.1f32.to_be_bytes(), "0.1");
    }
}
