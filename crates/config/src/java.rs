//! The corners of Java's library that show in Kafka's settings and messages: how text becomes a number and
//! a number text, and in which order a `HashSet` names its members.

use ottla_base::java_string_hash;

/// `String.trim`: everything up to the space goes, from both ends.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c <= ' ')
}

/// A comma with the white space about it, as the pattern `\s*,\s*` sees it; empty parts stay.
pub(crate) fn split_commas(text: &str) -> Vec<&str> {
    let white = |c: char| matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r');
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((part, after)) = rest.split_once(',') {
        parts.push(part.trim_end_matches(white));
        rest = after.trim_start_matches(white);
    }
    parts.push(rest);
    parts
}

/// `Long.parseLong`, for whichever range: an optional sign, then digits only.
pub(crate) fn parse_integer(text: &str, min: i64, max: i64) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|n| (min..=max).contains(n))
}

pub(crate) fn parse_int(text: &str) -> Option<i32> {
    parse_integer(text, i32::MIN.into(), i32::MAX.into()).and_then(|n| n.try_into().ok())
}

/// `Double.parseDouble`: decimal forms with an optional type suffix. (Java's hexadecimal form is not taken.)
pub(crate) fn parse_double(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    match unsigned {
        "NaN" => return Some(f64::NAN),
        "Infinity" => return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }),
        _ => {}
    }
    let number = text.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(text);
    let decimal = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    if !number.chars().all(decimal) {
        return None;
    }
    number.parse().ok()
}

/// `Double.toString`: plain between a thousandth and ten million, else `1.5E10`; always with a fraction.
pub(crate) fn double_to_string(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let size = number.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{number:?}");
    }
    let text = format!("{number:E}");
    match text.split_once('E') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0E{exponent}"),
        _ => text,
    }
}

/// `List.toString`.
pub(crate) fn list_to_string(items: &[String]) -> String {
    format!("[{}]", items.join(", "))
}

/// The names in the order in which a Java `HashSet` walks over them that was made of a collection of `total` names.
pub(crate) fn copied_set_order(names: Vec<String>, total: usize) -> Vec<String> {
    let wanted = ((total as f64 / 0.75) as usize + 1).max(16);
    bucket_order(names, wanted.next_power_of_two())
}

/// The names in the order in which a Java `HashMap` or `HashSet` walks over them that grew to `total` names.
pub(crate) fn grown_set_order(names: Vec<String>, total: usize) -> Vec<String> {
    let mut buckets = 16;
    while total > buckets / 4 * 3 {
        buckets *= 2;
    }
    bucket_order(names, buckets)
}

/// The names in the order in which a `Properties` that they were added to one by one walks over them.
pub(crate) fn hash_table_order(names: Vec<String>) -> Vec<String> {
    let mut buckets = 16;
    while names.len() >= buckets / 4 * 3 {
        buckets *= 2;
    }
    bucket_order(names, buckets)
}

fn bucket_order(mut names: Vec<String>, buckets: usize) -> Vec<String> {
    names.sort_by_key(|name| {
        let hash = java_string_hash(name) as u32;
        (hash ^ (hash >> 16)) as usize & (buckets - 1)
    });
    names
}

/// `Duration.parse`, in milliseconds (rounded down); `None` for what it refuses and for negative ones.
pub(crate) fn parse_duration_ms(text: &str) -> Option<i64> {
    let text = text.to_ascii_uppercase();
    let (negate, rest) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text.as_str()),
    };
    let rest = rest.strip_prefix('P')?;
    let (days, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None => (rest, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let mut nanos: i128 = 0;
    if !days.is_empty() {
        nanos += i128::from(parse_integer(days.strip_suffix('D')?, i64::MIN, i64::MAX)?) * 86_400_000_000_000;
    }
    let mut time = time;
    for (unit, unit_nanos) in [('H', 3_600_000_000_000), ('M', 60_000_000_000)] {
        if let Some((number, after)) = time.split_once(unit) {
            nanos += i128::from(parse_integer(number, i64::MIN, i64::MAX)?) * unit_nanos;
            time = after;
        }
    }
    if !time.is_empty() {
        nanos += seconds_as_nanos(time.strip_suffix('S')?)?;
    }
    let nanos = if negate { -nanos } else { nanos };
    (nanos >= 0).then(|| i64::try_from(nanos / 1_000_000).ok()).flatten()
}

fn seconds_as_nanos(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let seconds = i128::from(parse_integer(whole, i64::MIN, i64::MAX)?);
    let nanos: i128 = format!("{fraction:0<9}").parse().ok()?;
    Some(seconds * 1_000_000_000 + if whole.starts_with('-') { -nanos } else { nanos })
}

/// `Date.toString` in UTC, as `Properties.store` writes it.
pub(crate) fn date_to_string(wall_ms: i64) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let seconds = wall_ms.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days to a date: eras of 400 years that begin in March, after Howard Hinnant's civil_from_days.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12;
    let year = year_of_era + era * 400 + i64::from(month < 2);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    let day_name = DAYS[days.rem_euclid(7) as usize];
    let month_name = MONTHS[month as usize];
    format!("{day_name} {month_name} {day:02} {hour:02}:{minute:02}:{:02} UTC {year}", second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_java_reads_and_writes_them() {
        assert_eq!(parse_int("+7"), Some(7));
        assert_eq!(parse_int("-7"), Some(-7));
        for bad in ["", "+", "1.0", " 1", "1_000", "0x1", "2147483648", "--1"] {
            assert_eq!(parse_int(bad), None, "{bad}");
        }
        assert_eq!(parse_double("0.5"), Some(0.5));
        assert_eq!(parse_double("5e-1d"), Some(0.5));
        assert_eq!(parse_double(".5"), Some(0.5));
        for bad in ["", "inf", "nan", "abc", "infinity", "1e", "0x1p3"] {
            assert_eq!(parse_double(bad), None, "{bad}");
        }
        assert_eq!(double_to_string(f64::MAX), "1.7976931348623157E308");
        assert_eq!(double_to_string(0.5), "0.5");
        assert_eq!(double_to_string(1.0), "1.0");
        assert_eq!(double_to_string(2147483647.0), "2.147483647E9");
        assert_eq!(double_to_string(1e10), "1.0E10");
        assert_eq!(double_to_string(0.0001), "1.0E-4");
        assert_eq!(double_to_string(9999999.0), "9999999.0");
    }

    #[test]
    fn commas_take_the_space_about_them() {
        assert_eq!(split_commas("a , b,\tc"), ["a", "b", "c"]);
        assert_eq!(split_commas("a,,b,"), ["a", "", "b", ""]);
        assert_eq!(split_commas("a b"), ["a b"]);
    }

    #[test]
    fn durations_and_dates() {
        assert_eq!(parse_duration_ms("PT1H"), Some(3_600_000));
        assert_eq!(parse_duration_ms("p1dt2h3m4.005s"), Some(93_784_005));
        assert_eq!(parse_duration_ms("PT0S"), Some(0));
        for bad in ["", "P", "PT", "P1", "1D", "PT-1S", "-PT1S", "PT1M1H", "P1DT", "PT1.1234567890S"] {
            assert_eq!(parse_duration_ms(bad), None, "{bad}");
        }
        assert_eq!(date_to_string(0), "Thu Jan 01 00:00:00 UTC 1970");
        assert_eq!(date_to_string(1_709_210_096_789), "Thu Feb 29 12:34:56 UTC 2024");
    }
}
