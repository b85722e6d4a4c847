//! `strftime_now`: today's date, as Llama 3.1's template asks for it.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The first of January 1970 was a Thursday.
const DAYS: [&str; 7] =
    ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];

/// A moment in the Gregorian calendar, in UTC.
struct Moment {
    year: u64,
    month: u64,
    day: u64,
    weekday: usize,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Moment {
    /// The algorithm is `civil_from_days` of
    /// <https://howardhinnant.github.io/date_algorithms.html>, for days since 1970.
    fn of(time: SystemTime) -> Self {
        let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
        let days = seconds / 86_400;
        let shifted = days + 719_468;
        let era = shifted / 146_097;
        let of_era = shifted % 146_097;
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        // Years of this count begin in March, so that the leap day is their last.
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        Self {
            year: year + era * 400 + u64::from(month <= 2),
            month,
            day,
            weekday: (days % 7) as usize,
            hour: seconds / 3600 % 24,
            minute: seconds / 60 % 60,
            second: seconds % 60,
        }
    }
}

/// `time` in C's `strftime` notation; the fields of a date and a time of day are known, and
/// anything else is kept as it stands.
pub(super) fn format(format: &str, time: SystemTime) -> String {
    let moment = Moment::of(time);
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            // `%-d` is `%d` without the zero in front.
            Some('-') => {
                let mut padded = String::new();
                chars.next().into_iter().for_each(|field| put(&mut padded, field, &moment));
                let bare = padded.trim_start_matches('0');
                out.push_str(if bare.is_empty() { "0" } else { bare });
            }
            Some(field) => put(&mut out, field, &moment),
            None => out.push('%'),
        }
    }
    out
}

fn put(out: &mut String, field: char, it: &Moment) {
    let month = MONTHS[(it.month as usize - 1) % 12];
    let weekday = DAYS[it.weekday % 7];
    // Writing to a string cannot fail.
    let _ = match field {
        'Y' => write!(out, "{}", it.year),
        'y' => write!(out, "{:02}", it.year % 100),
        'm' => write!(out, "{:02}", it.month),
        'd' => write!(out, "{:02}", it.day),
        'e' => write!(out, "{:2}", it.day),
        'B' => write!(out, "{month}"),
        'b' | 'h' => write!(out, "{}", &month[..3]),
        'A' => write!(out, "{weekday}"),
        'a' => write!(out, "{}", &weekday[..3]),
        'H' => write!(out, "{:02}", it.hour),
        'I' => write!(out, "{:02}", (it.hour + 11) % 12 + 1),
        'M' => write!(out, "{:02}", it.minute),
        'S' => write!(out, "{:02}", it.second),
        'p' => write!(out, "{}", if it.hour < 12 { "AM" } else { "PM" }),
        'F' => write!(out, "{}-{:02}-{:02}", it.year, it.month, it.day),
        'T' => write!(out, "{:02}:{:02}:{:02}", it.hour, it.minute, it.second),
        'Z' => write!(out, "UTC"),
        '%' => write!(out, "%"),
        other => write!(out, "%{other}"),
    };
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_print_as_strftime_prints_them() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let all = "%Y-%m-%d %A %a %d %b %B %H:%M:%S %I%p %-d %y %% %Q %";
        assert_eq!(
            format(all, at(0)),
            "1970-01-01 Thursday Thu 01 Jan January 00:00:00 12AM 1 70 % %Q %"
        );
        // The leap day of a year that is divisible by 400, just before midnight.
        assert_eq!(
            format(all, at(951_868_799)),
            "2000-02-29 Tuesday Tue 29 Feb February 23:59:59 11PM 29 00 % %Q %"
        );
        assert_eq!(format("%d %b %Y", at(1_721_952_000)), "26 Jul 2024");
    }
}
