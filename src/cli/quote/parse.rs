//! One usage as it is told on the command line.

use chrono_tz::Tz;
use turnpike_rating::ToldUsage;
use turnpike_schemas::event::ResourceState;
use turnpike_schemas::period::parse_day_or_instant;

/// `METER=QUANTITY[UNIT][@ATTRIBUTE=VALUE,...][,FIELD=VALUE,...]`.
pub fn usage(text: &str, zone: Tz) -> Result<ToldUsage, String> {
    let (meter, rest) = text.split_once('=').ok_or("write METER=QUANTITY")?;
    let end = rest.find(['@', ',']).unwrap_or(rest.len());
    let (quantity, unit) = quantity(&rest[..end])?;
    let mut told =
        ToldUsage { meter: meter.trim().to_owned(), quantity, unit, ..ToldUsage::default() };
    let mut rest = &rest[end..];
    while !rest.is_empty() {
        // `@` says that a name is an attribute's, also where a field is called so.
        let attribute = rest.starts_with('@');
        rest = &rest[1..];
        let end = rest.find(['@', ',']).unwrap_or(rest.len());
        let (part, more) = rest.split_at(end);
        let (name, value) =
            part.split_once('=').ok_or_else(|| format!("`{part}` is not NAME=VALUE"))?;
        let (name, value) = (name.trim(), value.trim());
        if attribute || !field(&mut told, name, value, zone)? {
            told.attributes.insert(name.to_owned(), value.to_owned());
        }
        rest = more;
    }
    Ok(told)
}

/// `4`, `1.5TiB`, `20 1000 requests`: the number, and what follows it.
fn quantity(text: &str) -> Result<(String, Option<String>), String> {
    let text = text.trim();
    let is_number = |c: char| c.is_ascii_digit() || c == '.' || c == '-';
    let end = text.find(|c| !is_number(c)).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if number.is_empty() {
        return Err(format!("`{text}` does not begin with a number"));
    }
    let unit = unit.trim();
    Ok((number.to_owned(), (!unit.is_empty()).then(|| unit.to_owned())))
}

/// Sets a field by its name; whether there is one.
pub fn field(told: &mut ToldUsage, name: &str, value: &str, zone: Tz) -> Result<bool, String> {
    let text = || Some(value.to_owned());
    let instant = || parse_day_or_instant(value, zone).map(Some).map_err(|e| e.to_string());
    match name {
        "for" => told.seconds = Some(duration(value)?),
        "from" | "start" | "at" => told.start = instant()?,
        "to" | "end" => told.end = instant()?,
        "events" => {
            let count = value.parse().map_err(|_| format!("`{value}` is no number of events"))?;
            told.events = Some(count);
        }
        "project" => told.project = text(),
        "site" => told.site = text(),
        "region" => told.region = text(),
        "resource" => told.resource = text(),
        "kind" | "resource_kind" => told.resource_kind = text(),
        "state" => {
            let state = ResourceState::from_word(value);
            told.state = Some(state.ok_or_else(|| format!("`{value}` is no state"))?);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// `10d`, `36h`, `1h30m`, `45s`: whole seconds. A day has 24 hours.
pub fn duration(text: &str) -> Result<i64, String> {
    let bad = || format!("`{text}` is no duration such as 10d, 36h or 1h30m");
    let (mut total, mut rest) = (0_i64, text);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let number: i64 = rest[..end].parse().map_err(|_| bad())?;
        let seconds = match rest.as_bytes().get(end) {
            Some(b's') => 1,
            Some(b'm') => 60,
            Some(b'h') => 3_600,
            Some(b'd') => 86_400,
            _ => return Err(bad()),
        };
        total =
            number.checked_mul(seconds).and_then(|part| total.checked_add(part)).ok_or_else(bad)?;
        rest = &rest[end + 1..];
    }
    if total == 0 { Err(bad()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> ToldUsage {
        usage(text, Tz::UTC).expect(text)
    }

    #[test]
    fn usage_is_read_in_all_its_forms() {
        let plain = told("vcpu=4");
        assert_eq!((plain.meter.as_str(), plain.quantity.as_str()), ("vcpu", "4"));
        assert_eq!(plain.unit, None);
        let full = told("volume=1.5 TiB@type=ssd,for=10d,site=lyon-1,az=b");
        assert_eq!(full.unit.as_deref(), Some("TiB"));
        assert_eq!(full.seconds, Some(864_000));
        assert_eq!(full.site.as_deref(), Some("lyon-1"));
        let named = |name: &str| full.attributes.get(name).map(String::as_str);
        assert_eq!((named("type"), named("az"), named("site")), (Some("ssd"), Some("b"), None));
        assert_eq!(told("x=1@site=here").attributes.len(), 1);
        assert_eq!(told("requests=20 1000 requests").unit.as_deref(), Some("1000 requests"));
        assert_eq!(told("egress=-3GiB,to=2026-10-02").quantity, "-3");
        assert_eq!(told("pay=5,at=2026-10-02T00:00:00Z,events=3").events, Some(3));
    }

    #[test]
    fn mistakes_are_named() {
        let wrong = |text: &str| usage(text, Tz::UTC).expect_err(text);
        assert!(wrong("vcpu").contains("METER=QUANTITY"));
        assert!(wrong("vcpu=many").contains("`many`"));
        assert!(wrong("vcpu=4,for=ever").contains("`ever`"));
        assert!(wrong("vcpu=4,for=0h").contains("`0h`"));
        assert!(wrong("vcpu=4,hello").contains("`hello`"));
        assert!(wrong("vcpu=4,state=happy").contains("`happy`"));
        assert!(wrong("vcpu=4,from=yesterday").contains("yesterday"));
    }

    #[test]
    fn durations_add_up() {
        assert_eq!(duration("1d2h3m4s"), Ok(93_784));
        assert!(duration("5").is_err());
        assert!(duration("h").is_err());
        assert!(duration("99999999999999999d").is_err());
    }
}
