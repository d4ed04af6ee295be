//! Instants, durations, states and quantities of a record, as a mapping describes them.

use std::borrow::Cow;

use turnpike_schemas::Instant;
use turnpike_schemas::event::{Measurement, ResourceState, Window};
use turnpike_schemas::meter::SCALE_UNDECLARED;
use turnpike_schemas::time::InstantError;

use super::format::{
    Condition, Duration, DurationForm, Expect, Measure, State, StateMap, Time, TimeForm, WindowOf,
};
use super::path::{Path, Scope, scalar};
use crate::adapters::openstack::time;
use crate::decode::{DecodeContext, Reject};
use crate::quantity::{self, Factor, Inexact, Written};
use crate::reason;

pub fn holds(condition: &Condition, scope: &Scope<'_>) -> bool {
    let found = condition.field.first(scope);
    let text = found.and_then(scalar);
    let one_of = |words: &[String]| text.is_some_and(|text| words.iter().any(|word| word == text));
    condition.present.is_none_or(|present| present == found.is_some())
        && condition.equals.as_deref().is_none_or(|expect| text == Some(expect))
        && condition.one_of.as_deref().is_none_or(one_of)
        && condition.none_of.as_deref().is_none_or(|words| !one_of(words))
        && condition
            .starts
            .as_deref()
            .is_none_or(|start| text.is_some_and(|text| text.starts_with(start)))
}

pub fn all_hold(conditions: &[Condition], scope: &Scope<'_>) -> bool {
    conditions.iter().all(|condition| holds(condition, scope))
}

/// Refuses an item of a list that has none of the words that are known.
pub fn expected(expect: &Expect, scope: &Scope<'_>) -> Result<(), Reject> {
    for item in expect.list.find(scope) {
        let text = item.get(&expect.field).and_then(scalar);
        if !text.is_some_and(|text| expect.one_of.iter().any(|word| word == text)) {
            let (list, field) = (&expect.list.text, &expect.field);
            let shown: String = text.unwrap_or("nothing").chars().take(48).collect();
            let text = format!("{list}.{field}: `{shown}` is none of {}", expect.one_of.join(", "));
            return Err(Reject::new(reason::INVALID_FIELD, text));
        }
    }
    Ok(())
}

/// `None`: the field is absent, and no instant was given for the whole file.
pub fn instant(
    spec: &Time,
    scope: &Scope<'_>,
    context: &DecodeContext,
) -> Result<Option<Instant>, Reject> {
    let Some(text) = spec.field.scalar(scope) else {
        return Ok(context.at.filter(|_| spec.or_at));
    };
    let field = &spec.field.text;
    match spec.form {
        TimeForm::Iso => time::parse(field, text).map(Some),
        TimeForm::Seconds => from_number(field, text, 6).map(Some),
        TimeForm::Milliseconds => from_number(field, text, 3).map(Some),
    }
}

/// An instant from a number of which `scale` decimals are microseconds.
fn from_number(field: &str, text: &str, scale: u32) -> Result<Instant, Reject> {
    let micros = turnpike_schemas::parse::decimal_to_scaled(text, scale).map_err(|_| {
        let short: String = text.chars().take(48).collect();
        Reject::new(reason::BAD_TIME, format!("{field}: `{short}` is no number of seconds"))
    })?;
    Instant::from_micros(micros).map_err(|error| out_of_range(field, &error))
}

fn out_of_range(field: &str, error: &InstantError) -> Reject {
    Reject::new(reason::TIME_RANGE, format!("{field}: {error}"))
}

pub fn required(
    spec: &Time,
    scope: &Scope<'_>,
    context: &DecodeContext,
) -> Result<Instant, Reject> {
    instant(spec, scope, context)?.ok_or_else(|| {
        let advice = if spec.or_at { ", and no instant was given for the file (--at)" } else { "" };
        Reject::new(reason::MISSING_FIELD, format!("{}: is absent{advice}", spec.field.text))
    })
}

pub fn window(
    spec: &WindowOf,
    scope: &Scope<'_>,
    context: &DecodeContext,
) -> Result<Window, Reject> {
    let start = spec.start.as_ref().map(|time| required(time, scope, context)).transpose()?;
    let end = spec.end.as_ref().map(|time| required(time, scope, context)).transpose()?;
    let length = || duration(&spec.duration, scope);
    let moved = |from: Instant, seconds: i64| {
        from.plus_seconds(seconds).ok_or_else(|| {
            Reject::new(reason::TIME_RANGE, format!("{from} and {seconds} s: out of range"))
        })
    };
    Ok(match (start, end) {
        (Some(start), Some(end)) => Window { start, end },
        (Some(start), None) => Window { start, end: moved(start, length()?)? },
        (None, Some(end)) => Window { start: moved(end, -length()?)?, end },
        (None, None) => return Err(Reject::new(reason::MISSING_FIELD, "the window is absent")),
    })
}

/// Whole seconds, floored: instants are floored to seconds before anything is billed.
fn duration(specs: &[Duration], scope: &Scope<'_>) -> Result<i64, Reject> {
    for spec in specs {
        if let Some(seconds) = spec.value {
            return Ok(seconds);
        }
        let Some((field, text)) =
            spec.field.as_ref().and_then(|path| Some((&path.text, path.scalar(scope)?)))
        else {
            continue;
        };
        let seconds = match spec.form {
            DurationForm::Seconds => whole(text, 1),
            DurationForm::Ticks => whole(text, 10_000_000),
            DurationForm::Timespan => timespan(text),
        };
        return seconds.ok_or_else(|| {
            let short: String = text.chars().take(48).collect();
            Reject::new(reason::INVALID_FIELD, format!("{field}: `{short}` is no duration"))
        });
    }
    let names: Vec<&str> = specs
        .iter()
        .filter_map(|spec| spec.field.as_ref().map(|path| path.text.as_str()))
        .collect();
    Err(Reject::new(reason::MISSING_FIELD, format!("{}: is absent", names.join(" or "))))
}

fn whole(text: &str, per: i64) -> Option<i64> {
    let (value, decimals) = turnpike_schemas::parse::decimal_parts(text).ok()?;
    let divisor = 10_i128.checked_pow(decimals)?.checked_mul(i128::from(per))?;
    i64::try_from(value / divisor).ok().filter(|_| value >= 0)
}

/// `[days.]hours:minutes:seconds[.fraction]`.
fn timespan(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let (front, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (days, hours) = front.split_once('.').unwrap_or(("0", front));
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let number = |text: &str, max: i64| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i64>().ok().filter(|number| digits && *number <= max)
    };
    number(fraction, i64::MAX)?;
    // The greatest of the format is 10,675,199 days.
    let (days, hours) = (number(days, 10_675_199)?, number(hours, 23)?);
    Some(days * 86_400 + hours * 3_600 + number(minutes, 59)? * 60 + number(seconds, 59)?)
}

pub fn state(spec: &State, scope: &Scope<'_>) -> Result<ResourceState, Reject> {
    let map = match spec {
        State::Word(state) => return Ok(*state),
        State::Map(map) => map,
    };
    let field = &map.field.text;
    let text = map.field.scalar(scope);
    let known = text.and_then(|text| of_word(map, text));
    known.or(map.other).ok_or_else(|| match text {
        None => Reject::new(reason::MISSING_FIELD, format!("{field}: is absent")),
        Some(text) => {
            let short: String = text.chars().take(48).collect();
            Reject::new(reason::UNKNOWN_STATE, format!("{field}: `{short}` is no known state"))
        }
    })
}

fn of_word(map: &StateMap, text: &str) -> Option<ResourceState> {
    let held = map.holds.iter().find(|(letter, _)| text.contains(letter.as_str()));
    map.map.get(text).copied().or(held.map(|(_, state)| *state))
}

/// A measurement, and the unit as given where nobody has declared the meter.
pub type Measured = (Measurement, Option<String>);

/// `None`: the event does not speak of the meter.
pub fn measure(
    spec: &Measure,
    scope: &Scope<'_>,
    context: &DecodeContext,
) -> Result<Option<Measured>, Reject> {
    let name = spec.field.as_ref().map_or("value", |path| path.text.as_str());
    let Some(texts) = digits(spec, name, scope)? else { return Ok(None) };
    let meter = context.meters.get(&spec.meter);
    let scale = meter.map_or(SCALE_UNDECLARED, |meter| meter.scale);
    let of_unit = |unit: &String| {
        let known = meter.map(|meter| meter.price_unit(unit).map(|unit| unit.base_units));
        known.unwrap_or(Some(1)).ok_or_else(|| {
            let text = format!("{name}: `{unit}` is no unit of {}", spec.meter);
            Reject::new(reason::UNKNOWN_UNIT, text)
        })
    };
    let (base_units, per) = match (&spec.unit, spec.multiplier) {
        (_, Some(ratio)) => (ratio.over, ratio.under),
        (Some(unit), None) => (of_unit(unit)?, 1),
        (None, None) => (1, 1),
    };
    let factor = Factor { base_units, per, inexact: Inexact::from(spec.round) };
    let mut sum = 0_i64;
    for digits in texts {
        let quantity = quantity::read_by(Written { digits: &digits, field: name }, factor, scale)?;
        sum = sum.checked_add(quantity).ok_or_else(|| {
            let text = format!("{name}: the sum does not fit in 64 bits at {scale} decimals");
            Reject::new(reason::QUANTITY_RANGE, text)
        })?;
    }
    let unit = spec.unit.clone().filter(|_| meter.is_none());
    let measured = Measurement { meter: spec.meter.clone(), quantity: sum, scale, flow: spec.flow };
    Ok(Some((measured, unit)))
}

fn digits<'j>(
    spec: &'j Measure,
    name: &str,
    scope: &Scope<'j>,
) -> Result<Option<Vec<Cow<'j, str>>>, Reject> {
    if let Some(value) = &spec.value {
        return Ok(Some(vec![Cow::Borrowed(value.as_str())]));
    }
    let found = spec.field.as_ref().map(|path: &Path| path.find(scope)).unwrap_or_default();
    if found.is_empty() {
        return match (&spec.default, spec.optional) {
            (Some(default), _) => Ok(Some(vec![Cow::Borrowed(default.as_str())])),
            (None, true) => Ok(None),
            (None, false) => Err(Reject::new(reason::MISSING_FIELD, format!("{name}: is absent"))),
        };
    }
    let texts = found.into_iter().map(|json| {
        scalar(json).map(Cow::Borrowed).ok_or_else(|| {
            let text = format!("{name}: {} where a number is expected", json.kind());
            Reject::new(reason::INVALID_FIELD, text)
        })
    });
    texts.collect::<Result<Vec<_>, _>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timespans_are_read_to_the_second() {
        let check = |text: &str, expect: Option<i64>| assert_eq!(timespan(text), expect, "{text}");
        check("1.00:00:00", Some(86_400));
        check("00:59:58.1234567", Some(3_598));
        check("31.01:02:03", Some(2_682_123));
        check("24:00:00", None);
        check("00:60:00", None);
        check("-1.00:00:00", None);
        check("1:2", None);
        check("", None);
        check("00:00:00.", None);
        check("99999999999999999999.00:00:00", None);
    }

    #[test]
    fn ticks_and_seconds_are_floored() {
        assert_eq!(whole("36000000000", 10_000_000), Some(3_600));
        assert_eq!(whole("36009999999", 10_000_000), Some(3_600));
        assert_eq!(whole("59.9", 1), Some(59));
        assert_eq!(whole("-1", 1), None);
        assert_eq!(whole("x", 1), None);
    }
}
