//! Hours of local days in which a rate applies: reading them, and what several leave of a week.

use toml::de::DeValue;
use turnpike_schemas::tariff::{EVERY_DAY, TimeOfUse, WEEK_SECONDS, WEEKEND, WORKING_DAYS};

use super::reader::{At, Log, Table, text_of, texts_of};
use super::value::{DAY_SECONDS, short};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// `times = [{ days = "mon-fri", from = "09:00", to = "12:00" }]`. None means always.
pub(super) fn times(table: &mut Table<'_, '_>, log: &mut Log) -> Vec<TimeOfUse> {
    let tables = table.tables(log, "times");
    if table.has("times") && tables.is_empty() {
        let place = table.place_of(log, "times");
        log.mistake(&place, "`times` names no hours; leave it out for a price that always applies");
    }
    let mut times = Vec::new();
    for mut inner in tables {
        times.extend(time_of_use(&mut inner, log));
        inner.finish(log);
    }
    times
}

fn time_of_use(table: &mut Table<'_, '_>, log: &mut Log) -> Option<TimeOfUse> {
    let days = days(table, log);
    let from = time_of_day(table, log, "from", 0);
    let to = time_of_day(table, log, "to", DAY_SECONDS);
    let (days, from, to) = (days?, from?, to?);
    if from == DAY_SECONDS {
        let place = table.place_of(log, "from");
        log.mistake(&place, "`from` is 24:00, where a day ends; the next one starts at 00:00");
        return None;
    }
    if from == to {
        let message = "`from` and `to` are the same; leave both out for whole days";
        log.mistake(&table.place_of(log, "to"), message);
        return None;
    }
    let second = |seconds: i64| u32::try_from(seconds).ok();
    Some(TimeOfUse { days, from: second(from)?, to: second(to)? })
}

/// A word or an array of words, as bits of days.
fn days(table: &mut Table<'_, '_>, log: &mut Log) -> Option<u8> {
    let Some(raw) = table.raw(log, "days") else { return Some(EVERY_DAY) };
    let place = raw.place.clone();
    let texts = match raw.value {
        DeValue::Array(_) => texts_of(log, "days", &raw),
        _ => vec![text_of(log, "days", raw)?],
    };
    if texts.is_empty() {
        log.mistake(&place, "`days` names no day; leave it out for every day");
        return None;
    }
    let mut bits = 0;
    for text in texts {
        bits |= days_of(log, &text)?;
    }
    Some(bits)
}

/// `mon`, `mon-fri`, `weekend`.
fn days_of(log: &mut Log, text: &At<String>) -> Option<u8> {
    let day = |word: &str| DAYS.iter().position(|day| *day == word);
    let bits = match (text.value.as_str(), text.value.split_once('-')) {
        ("every-day", _) => Some(EVERY_DAY),
        ("working-days", _) => Some(WORKING_DAYS),
        ("weekend", _) => Some(WEEKEND),
        (_, Some((first, last))) => day(first).zip(day(last)).map(|(first, last)| {
            // Past Sunday the week starts again: fri-mon.
            let count = (last + DAYS.len() - first) % DAYS.len() + 1;
            (first..first + count).fold(0, |bits, index| bits | 1 << (index % DAYS.len()))
        }),
        (word, None) => day(word).map(|index| 1 << index),
    };
    if bits.is_none() {
        let message = format!(
            "`{}` is no day; write `mon` to `sun`, `mon-fri`, `every-day`, `working-days` or \
             `weekend`",
            short(&text.value)
        );
        log.mistake(&text.place, message);
    }
    bits
}

/// `09:00` or `09:00:30` in seconds; `24:00` is the end of a day.
fn time_of_day(
    table: &mut Table<'_, '_>,
    log: &mut Log,
    key: &'static str,
    default: i64,
) -> Option<i64> {
    let Some(raw) = table.raw(log, key) else { return Some(default) };
    let text = match raw.value {
        // A time of TOML's own stands for itself.
        DeValue::Datetime(time) => At { value: time.to_string(), place: raw.place },
        _ => text_of(log, key, raw)?,
    };
    let seconds = seconds_of_day(&text.value);
    if seconds.is_none() {
        let message = format!("`{key}` is `{}`; write a time such as 09:00", short(&text.value));
        log.mistake(&text.place, message);
    }
    seconds
}

fn seconds_of_day(text: &str) -> Option<i64> {
    let mut seconds = 0;
    let mut parts = 0;
    for (part, (factor, most)) in text.split(':').zip([(3_600, 24), (60, 59), (1, 59), (0, -1)]) {
        let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        let value: i64 = part.parse().ok().filter(|value| digits && *value <= most)?;
        seconds += value * factor;
        parts += 1;
    }
    (parts >= 2 && seconds <= DAY_SECONDS).then_some(seconds)
}

/// Hours of a week, Monday first, as seconds `[from, to)`: in order, none touching the next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Hours(Vec<(i64, i64)>);

impl Hours {
    /// Without any, all of them.
    pub fn of(times: &[TimeOfUse]) -> Self {
        if times.is_empty() {
            return Self(vec![(0, WEEK_SECONDS)]);
        }
        Self::merged(times.iter().flat_map(TimeOfUse::of_week).collect())
    }

    fn merged(mut spans: Vec<(i64, i64)>) -> Self {
        spans.sort_unstable();
        let mut merged: Vec<(i64, i64)> = Vec::new();
        for (from, to) in spans {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        Self(merged)
    }

    pub fn add(&mut self, other: &Hours) {
        let mut spans = std::mem::take(&mut self.0);
        spans.extend(&other.0);
        *self = Self::merged(spans);
    }

    pub fn covers(&self, other: &Hours) -> bool {
        let within =
            |(from, to): &(i64, i64)| self.0.iter().any(|(start, end)| start <= from && to <= end);
        other.0.iter().all(within)
    }

    /// Where the first hours start that are none of these: `mon 12:00`.
    pub fn first_gap(&self) -> Option<String> {
        let gap = match self.0.first() {
            Some((0, end)) => *end,
            _ => 0,
        };
        let (day, second) = (gap / DAY_SECONDS, gap % DAY_SECONDS);
        let day = usize::try_from(day).ok().and_then(|day| DAYS.get(day))?;
        Some(format!("{day} {:02}:{:02}", second / 3_600, second / 60 % 60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_are_read_to_the_second() {
        let check = |text: &str, expect: Option<i64>| {
            assert_eq!(seconds_of_day(text), expect, "{text}");
        };
        check("00:00", Some(0));
        check("09:30", Some(34_200));
        check("09:30:05", Some(34_205));
        check("24:00", Some(86_400));
        check("24:01", None);
        check("9:00", None);
        check("09", None);
        check("09:60", None);
        check("09:00:00:00", None);
        check("-1:00", None);
        check("", None);
    }

    #[test]
    fn hours_past_midnight_belong_to_the_next_day_and_sundays_to_monday() {
        let night = TimeOfUse { days: EVERY_DAY, from: 79_200, to: 21_600 };
        let day = TimeOfUse { days: EVERY_DAY, from: 21_600, to: 79_200 };
        let mut hours = Hours::of(&[night]);
        assert_eq!(hours.0.first(), Some(&(0, 21_600)));
        assert_eq!(hours.0.last(), Some(&(WEEK_SECONDS - 7_200, WEEK_SECONDS)));
        assert_eq!(hours.first_gap().as_deref(), Some("mon 06:00"));
        assert!(!hours.covers(&Hours::of(&[])));
        hours.add(&Hours::of(&[day]));
        assert!(hours.covers(&Hours::of(&[])));
        assert_eq!(hours.first_gap(), None);
        let saturday = TimeOfUse { days: 0b010_0000, from: 0, to: 86_400 };
        assert!(
            Hours::of(&[TimeOfUse { days: WEEKEND, ..saturday }]).covers(&Hours::of(&[saturday]))
        );
        assert!(
            !Hours::of(&[saturday]).covers(&Hours::of(&[TimeOfUse { days: WEEKEND, ..saturday }]))
        );
    }
}
