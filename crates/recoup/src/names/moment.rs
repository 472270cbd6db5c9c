//! Moments as people type them: `14:03`, `2026-11-22T14:03:10`, `5 minutes ago`, `yesterday 14:00`.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan, Zoned};

/// The moment that `text` names, seen from `now`. What is written to the second means the end of that
/// second, so that a time copied from a list finds its snapshot; a day alone means its end; a time
/// without a day is the last one that has been.
pub(crate) fn parse(text: &str, now: &Zoned) -> Option<Timestamp> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("now") {
        return Some(now.timestamp());
    }
    if let Some(moment) = with_zone(text) {
        return Some(moment);
    }
    let lower = text.to_ascii_lowercase();
    if let Some(span) = lower.strip_suffix("ago").and_then(parse_span) {
        return now.checked_sub(span).ok().map(|zoned| zoned.timestamp());
    }
    if let Some(time) = parse_time(&lower) {
        let moment = at(now.date(), time, now.time_zone())?;
        if moment <= now.timestamp() {
            return Some(moment);
        }
        return at(now.date().yesterday().ok()?, time, now.time_zone());
    }
    let (day, time) = match lower.split_once([' ', 't']) {
        // "today" and "saturday" have a t inside: only a day in digits is followed by one.
        Some((day, time)) if day.contains('-') => (day, Some(time)),
        _ => match lower.split_once(' ') {
            Some((day, time)) => (day, Some(time)),
            None => (lower.as_str(), None),
        },
    };
    let date = parse_day(day, now.date())?;
    match time {
        Some(time) => at(date, parse_time(time.trim())?, now.time_zone()),
        None => {
            let end = at(date, Time::MAX, now.time_zone())?;
            Some(end.min(now.timestamp().max(at(date, Time::MIN, now.time_zone())?)))
        }
    }
}

/// `2026-11-22T14:03:10Z` or with an offset.
fn with_zone(text: &str) -> Option<Timestamp> {
    let moment: Timestamp = text.parse().ok()?;
    let has_fraction = text.contains('.');
    Some(if has_fraction {
        moment
    } else {
        end_of_second(moment)
    })
}

fn end_of_second(moment: Timestamp) -> Timestamp {
    moment
        .checked_add(999_999_999.nanoseconds())
        .unwrap_or(moment)
}

fn at(date: Date, time: Time, zone: &TimeZone) -> Option<Timestamp> {
    Some(
        date.to_datetime(time)
            .to_zoned(zone.clone())
            .ok()?
            .timestamp(),
    )
}

/// `14:03`, `14:03:10` (the end of that second), `14:03:10.5`.
fn parse_time(text: &str) -> Option<Time> {
    let parts: Vec<&str> = text.split(':').collect();
    let number = |part: &str, digits: std::ops::RangeInclusive<usize>| {
        let right = digits.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        right.then(|| part.parse::<i8>().ok()).flatten()
    };
    let hour = number(parts.first()?, 1..=2)?;
    let minute = number(parts.get(1)?, 2..=2)?;
    match parts.get(2) {
        None => Time::new(hour, minute, 0, 0).ok(),
        Some(_) if parts.len() > 3 => None,
        Some(second) => {
            let (whole, fraction) = second.split_once('.').unwrap_or((second, ""));
            let nanos = match fraction {
                "" if second.contains('.') => return None,
                "" => 999_999_999,
                digits if digits.len() <= 9 && digits.bytes().all(|b| b.is_ascii_digit()) => {
                    format!("{digits:0<9}").parse().ok()?
                }
                _ => return None,
            };
            Time::new(hour, minute, number(whole, 2..=2)?, nanos).ok()
        }
    }
}

fn parse_day(text: &str, today: Date) -> Option<Date> {
    match text {
        "today" => Some(today),
        "yesterday" => today.yesterday().ok(),
        // A day is written in full: "2026" or "20261122" are more likely ids.
        _ if text.len() == 10 => text.parse().ok(),
        _ => None,
    }
}

/// `5 minutes`, `an hour`, `2d`.
fn parse_span(text: &str) -> Option<Span> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = match &text[..digits] {
        "" => {
            let (article, unit) = text.split_once(' ')?;
            matches!(article, "a" | "an" | "one").then_some((1, unit))?
        }
        number => (number.parse::<i32>().ok()?, &text[digits..]),
    };
    let span = Span::new();
    match unit.trim() {
        "s" | "sec" | "secs" | "second" | "seconds" => span.try_seconds(number),
        "m" | "min" | "mins" | "minute" | "minutes" => span.try_minutes(number),
        "h" | "hour" | "hours" => span.try_hours(number),
        "d" | "day" | "days" => span.try_days(number),
        "w" | "week" | "weeks" => span.try_weeks(number),
        "month" | "months" => span.try_months(number),
        "y" | "year" | "years" => span.try_years(number),
        _ => return None,
    }
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let now: Zoned = "2026-11-23T14:10:00[Europe/Berlin]".parse().unwrap();
        let found = parse(text, &now).map(|moment| {
            moment
                .to_zoned(now.time_zone().clone())
                .strftime("%Y-%m-%d %H:%M:%S")
                .to_string()
        });
        assert_eq!(found.as_deref(), expected, "{text}");
    }

    #[test]
    fn moments_are_read() {
        check("14:03", Some("2026-11-23 14:03:00"));
        check("14:30", Some("2026-11-22 14:30:00"));
        check("9:05:07", Some("2026-11-23 09:05:07"));
        check("2026-11-22", Some("2026-11-22 23:59:59"));
        check("2026-11-23", Some("2026-11-23 14:10:00"));
        check("2026-11-22T14:03:10", Some("2026-11-22 14:03:10"));
        check("2026-11-22 14:03", Some("2026-11-22 14:03:00"));
        check("2026-11-22T14:03:10Z", Some("2026-11-22 15:03:10"));
        check("2026-11-22T14:03:10+01:00", Some("2026-11-22 14:03:10"));
        check("5 minutes ago", Some("2026-11-23 14:05:00"));
        check("an hour ago", Some("2026-11-23 13:10:00"));
        check("2d ago", Some("2026-11-21 14:10:00"));
        check("1 month ago", Some("2026-10-23 14:10:00"));
        check("yesterday 14:00", Some("2026-11-22 14:00:00"));
        check("yesterday", Some("2026-11-22 23:59:59"));
        check("Today 08:00", Some("2026-11-23 08:00:00"));
        check("now", Some("2026-11-23 14:10:00"));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "25:00",
            "14",
            "14:3",
            "14:03:",
            "14:03:10:x",
            "2026-13-01",
            "soon",
        ] {
            check(text, None);
        }
        check("5 minutes", None);
        check("99999999999 days ago", None);
        check("2026-11-22T", None);
    }

    #[test]
    fn a_second_means_its_end() {
        let now: Zoned = "2026-11-23T14:10:00[UTC]".parse().unwrap();
        let end = |text| parse(text, &now).unwrap().subsec_nanosecond();
        assert_eq!(end("2026-11-22T14:03:10"), 999_999_999);
        assert_eq!(end("2026-11-22T14:03:10Z"), 999_999_999);
        assert_eq!(end("2026-11-22T14:03:10.25Z"), 250_000_000);
        assert_eq!(end("2026-11-22T14:03:10.25"), 250_000_000);
    }
}
