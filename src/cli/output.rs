//! Prints answers: one JSON document or lines of text on stdout; talk on stderr.

use serde::Serialize;
use std::io::Write;

/// Prints a document on stdout.
pub fn json<T: Serialize>(document: &T) {
    match serde_json::to_string_pretty(document) {
        Ok(text) => line(&text),
        Err(error) => talk(&format!("error: cannot print the answer: {error}")),
    }
}

/// Prints a line on stdout. A reader that went away (`| head`) is no error.
pub fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints a line on stderr; where that takes nothing, on a full disk, nobody is told.
pub fn talk(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// `1 file`, `2 files`.
pub fn count(number: u64, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ if one.ends_with("sh") => format!("{number} {one}es"),
        _ => format!("{number} {one}s"),
    }
}

/// The first digits of an object id.
pub fn short(oid: &str) -> &str {
    oid.get(..10).unwrap_or(oid)
}

/// A time of the wall clock, in the local zone.
pub fn time(seconds: i64) -> String {
    match jiff::Timestamp::from_second(seconds) {
        Ok(time) => time.to_zoned(jiff::tz::TimeZone::system()).strftime("%F %H:%M").to_string(),
        Err(_) => "unknown time".to_owned(),
    }
}
