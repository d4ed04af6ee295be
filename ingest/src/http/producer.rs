//! [`Producer`]: on whose behalf items are read, and what they may send.

use std::collections::BTreeMap;
use std::sync::Arc;

use turnpike_schemas::canonical::labels_to_json;
use turnpike_schemas::event::KEY_SEPARATOR;

use crate::decode::DecodeContext;
use crate::{Decoded, Installation, Pins};

/// On whose behalf items are read. Of a dead letter it is kept, so that it is read again by the
/// same rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Producer {
    /// The adapter that reads every item; `None`: the content decides.
    pub system: Option<String>,
    /// Where events are that name no site; one that names another is refused.
    pub site: Option<String>,
    /// What the source of every event starts with.
    pub source_prefix: Option<String>,
    /// Which of several systems of one kind the items come from.
    pub installation: Option<Installation>,
}

/// An item that the producer may not send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    #[error("item {index} has the source `{source_given}`; this key is for `{prefix}` only")]
    Source { index: usize, source_given: String, prefix: String },
    #[error("item {index} is of the site `{given}`; this key is for `{site}` only")]
    Site { index: usize, given: String, site: String },
    #[error(
        "item {index} corrects an event of the source `{target}`; this key is for `{prefix}` only"
    )]
    Target { index: usize, target: String, prefix: String },
    /// The site of the event that is corrected is not known here.
    #[error("item {index} corrects another event; a key for the site `{site}` only cannot")]
    TargetSite { index: usize, site: String },
    #[error(
        "item {index} has {bytes} bytes, at most {bytes_max} are read of what is no list of records"
    )]
    TooLarge { index: usize, bytes: usize, bytes_max: usize },
}

/// Names under which a producer is kept with a dead letter.
const KEPT: [&str; 4] = ["installation", "site", "source_prefix", "system"];

impl Producer {
    /// As it is kept in the row of a dead letter; `None`: there is nothing to keep.
    pub(crate) fn to_column(&self) -> Option<String> {
        let installation = self.installation.as_ref().map(|name| name.as_str().to_owned());
        let values =
            [installation, self.site.clone(), self.source_prefix.clone(), self.system.clone()];
        let kept = KEPT.iter().zip(values);
        let kept = kept.filter_map(|(name, value)| Some(((*name).to_owned(), value?)));
        let kept: BTreeMap<String, String> = kept.collect();
        (!kept.is_empty()).then(|| labels_to_json(&kept))
    }

    /// `None`: the text is not what [`Producer::to_column`] writes.
    pub(crate) fn from_column(text: &str) -> Option<Self> {
        let mut kept: BTreeMap<String, String> = serde_json::from_str(text).ok()?;
        let [installation, site, source_prefix, system] = KEPT.map(|name| kept.remove(name));
        let installation = installation.map(|name| Installation::new(&name).ok());
        let installation = match installation {
            Some(name) => Some(name?),
            None => None,
        };
        kept.is_empty().then_some(Self { system, site, source_prefix, installation })
    }

    /// Puts what was said of the items before what the settings say of all.
    pub(crate) fn pin(&self, context: &mut DecodeContext) {
        if self.system.is_none() && self.installation.is_none() {
            return;
        }
        let Pins { all, installation, .. } = context.pins.as_ref();
        context.pins = Arc::new(Pins {
            all: self.system.clone().or_else(|| all.clone()),
            installation: self.installation.clone().or_else(|| installation.clone()),
            ..Pins::default()
        });
    }

    /// Puts the site on an event and refuses what is none of the producer's business.
    pub(crate) fn allow(&self, index: usize, decoded: &mut Decoded) -> Result<(), NotAllowed> {
        let (Decoded::Event(event) | Decoded::Unmetered(event)) = decoded else { return Ok(()) };
        let others = |source: &str| {
            let prefix = self.source_prefix.as_ref();
            prefix.filter(|prefix| !source.starts_with(prefix.as_str())).cloned()
        };
        if let Some(prefix) = others(&event.source) {
            return Err(NotAllowed::Source { index, source_given: event.source.clone(), prefix });
        }
        let target = event.correction.as_ref().and_then(|correction| correction.target.as_deref());
        if let Some(target) = target {
            // What is taken back must be as much the producer's as what takes it back.
            let source = target.split(KEY_SEPARATOR).next().unwrap_or_default();
            if let Some(prefix) = others(source) {
                return Err(NotAllowed::Target { index, target: source.to_owned(), prefix });
            }
            if let Some(site) = &self.site {
                return Err(NotAllowed::TargetSite { index, site: site.clone() });
            }
        }
        let Some(site) = &self.site else { return Ok(()) };
        match &event.site {
            Some(given) if given != site => {
                Err(NotAllowed::Site { index, given: given.clone(), site: site.clone() })
            }
            _ => {
                event.site = Some(site.clone());
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_producer_is_kept_and_found_again() {
        let check = |producer: &Producer, expect: Option<&str>| {
            let text = producer.to_column();
            assert_eq!(text.as_deref(), expect);
            let again = text.map(|text| Producer::from_column(&text).expect("is read"));
            assert_eq!(again.unwrap_or_default(), *producer);
        };
        check(&Producer::default(), None);
        let site = Producer { site: Some("lyon-1".to_owned()), ..Producer::default() };
        check(&site, Some(r#"{"site":"lyon-1"}"#));
        let all = Producer {
            system: Some("xentop".to_owned()),
            source_prefix: Some("/xentop/".to_owned()),
            installation: Some(Installation::new("rack-7").expect("a name")),
            ..site
        };
        let text = r#"{"installation":"rack-7","site":"lyon-1","source_prefix":"/xentop/","system":"xentop"}"#;
        check(&all, Some(text));
        for text in ["", "{", r#"{"flavor":"m1"}"#, r#"{"installation":"a/b"}"#] {
            assert_eq!(Producer::from_column(text), None, "{text}");
        }
    }
}
