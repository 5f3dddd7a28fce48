//! Log lines as Kafka's log4j configurations print them: warnings of a tool on standard error, what
//! a server has to say on standard output.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::span;
use tracing::{Event, Level, Metadata, Subscriber};

/// `[2024-01-31 23:59:59,123]`, in UTC.
pub fn timestamp(wall_ms: u64) -> String {
    let (days, ms) = (wall_ms / 86_400_000, wall_ms % 86_400_000);
    let (year, month, day) = civil_from_days(days as i64);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("[{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02},{:03}]", ms % 1000)
}

/// The date of a day counted from 1970 on, in the Gregorian calendar.
fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month as u32, day as u32)
}

pub fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    timestamp(since.as_millis() as u64)
}

/// One line, `[time] LEVEL message (logger)`.
pub fn line(level: &str, message: &str, logger: &str) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{} {level} {message} ({logger})", now());
}

struct Lines {
    level: Level,
    to_stdout: bool,
}

#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let (level, logger) = (event.metadata().level().as_str(), event.metadata().target());
        if self.to_stdout {
            let _ = writeln!(std::io::stdout(), "{} {level} {} ({logger})", now(), text.0);
        } else {
            line(level, &text.0, logger);
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// For a tool.
pub fn install() {
    set(Lines { level: Level::WARN, to_stdout: false });
}

/// For a server.
pub fn install_for_server(level: Level) {
    set(Lines { level, to_stdout: true });
}

fn set(lines: Lines) {
    // Only a test that runs two commands finds one already there.
    let _ = tracing::subscriber::set_global_default(lines);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_as_log4j_prints_it() {
        assert_eq!(timestamp(0), "[1970-01-01 00:00:00,000]");
        assert_eq!(timestamp(951_782_399_999), "[2000-02-28 23:59:59,999]");
        assert_eq!(timestamp(951_782_400_000), "[2000-02-29 00:00:00,000]");
        assert_eq!(timestamp(1_709_251_199_007), "[2024-02-29 23:59:59,007]");
    }
}
