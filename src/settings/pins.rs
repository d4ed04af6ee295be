//! Which adapter reads what, where an operator says so.

use turnpike_ingest::{Installation, Pins, adapters};

/// Pins from `ingest.adapter` and `ingest.adapters_by_topic`; problems name the key.
pub fn parse(all: Option<String>, by_topic: &str) -> Result<Pins, (&'static str, String)> {
    let mut pins = Pins::default();
    if let Some(name) = all {
        pins.all = Some(known("ingest.adapter", &name)?);
    }
    for pair in by_topic.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let key = "ingest.adapters_by_topic";
        let Some((topic, name)) = pair.split_once('=') else {
            return Err((key, format!("`{pair}` is not topic=adapter")));
        };
        pins.topics.insert(topic.trim().to_owned(), known(key, name.trim())?);
    }
    Ok(pins)
}

/// Adds `ingest.installation` and `ingest.installations_by_topic`; problems name the key.
pub fn add_installations(
    pins: &mut Pins,
    all: Option<String>,
    by_topic: &str,
) -> Result<(), (&'static str, String)> {
    let name = |key, text: &str| Installation::new(text).map_err(|error| (key, error.to_string()));
    pins.installation = all.map(|text| name("ingest.installation", &text)).transpose()?;
    for pair in by_topic.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let key = "ingest.installations_by_topic";
        let Some((topic, text)) = pair.split_once('=') else {
            return Err((key, format!("`{pair}` is not topic=name")));
        };
        pins.installations.insert(topic.trim().to_owned(), name(key, text.trim())?);
    }
    Ok(())
}

fn known(key: &'static str, name: &str) -> Result<String, (&'static str, String)> {
    match adapters::find(name) {
        Some(_) => Ok(name.to_owned()),
        None => Err((key, format!("`{name}` is no adapter (turnpike adapters list)"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adapters_are_pinned_by_topic_and_by_name() {
        let pins = parse(None, "bus = openstack-nova, x=native").expect("parses");
        assert_eq!(pins.of(Some("bus")), Some("openstack-nova"));
        assert_eq!(pins.of(Some("other")), None);
        let all = parse(Some("native".to_owned()), "bus=openstack-nova").expect("parses");
        assert_eq!(all.of(Some("other")), Some("native"));
        assert_eq!(all.of(None), Some("native"));
        assert!(parse(Some("frob".to_owned()), "").is_err());
        assert!(parse(None, "bus").is_err());
    }

    #[test]
    fn installations_are_named_by_topic() {
        let mut pins = Pins::default();
        add_installations(&mut pins, None, "one-a = zone-a, one-b=zone-b").expect("parses");
        let of =
            |pins: &Pins, topic| pins.installation_of(topic).map(|name| name.as_str().to_owned());
        assert_eq!(of(&pins, Some("one-b")).as_deref(), Some("zone-b"));
        assert_eq!(of(&pins, Some("other")), None);
        add_installations(&mut pins, Some("rack-7".to_owned()), "").expect("parses");
        assert_eq!(of(&pins, None).as_deref(), Some("rack-7"));
        assert!(add_installations(&mut pins, Some("a/b".to_owned()), "").is_err());
        assert!(add_installations(&mut pins, None, "one-a").is_err());
    }
}
