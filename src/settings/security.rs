//! How Kafka is reached safely: named settings as librdkafka's properties.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// Properties, and what is wrong with which setting.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Security {
    pub properties: BTreeMap<String, String>,
    pub problems: Vec<(&'static str, String)>,
}

const PROTOCOL: &str = "kafka.security_protocol";
const MECHANISM: &str = "kafka.sasl_mechanism";
const USERNAME: &str = "kafka.username";
const PASSWORD: &str = "kafka.password";
const PASSWORD_FILE: &str = "kafka.password_file";
const CA_FILE: &str = "kafka.ca_file";
const CERTIFICATE_FILE: &str = "kafka.certificate_file";
const KEY_FILE: &str = "kafka.key_file";

const PROTOCOLS: [&str; 4] = ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"];
/// Those that need nothing besides a name and a password; others go by `kafka.options`.
const MECHANISMS: [&str; 3] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];

/// The properties of the settings that `value` tells, and of `options`, which were given under
/// librdkafka's own names. A property that both name is a mistake.
pub fn properties(
    value: &dyn Fn(&str) -> Option<String>,
    options: &BTreeMap<String, String>,
    read: &dyn Fn(&Path) -> io::Result<String>,
) -> Security {
    let mut found = Security::default();
    let protocol =
        found.word(PROTOCOL, value(PROTOCOL).map(|text| text.to_lowercase()), &PROTOCOLS);
    let mechanism =
        found.word(MECHANISM, value(MECHANISM).map(|text| text.to_uppercase()), &MECHANISMS);
    found.set("security.protocol", protocol.clone());
    found.set("sasl.mechanism", mechanism);
    found.set("sasl.username", value(USERNAME));
    let password = found.password(value(PASSWORD), value(PASSWORD_FILE), read);
    found.set("sasl.password", password);
    for (key, property) in [
        (CA_FILE, "ssl.ca.location"),
        (CERTIFICATE_FILE, "ssl.certificate.location"),
        (KEY_FILE, "ssl.key.location"),
    ] {
        let path = value(key);
        if let Some(Err(error)) = path.as_deref().map(|path| read(Path::new(path))) {
            found.problem(key, format!("cannot be read: {error}"));
        }
        found.set(property, path);
    }
    found.check(protocol.as_deref(), options);
    for (property, text) in options {
        if found.properties.contains_key(property) {
            found.problem(PROTOCOL, format!("and `kafka.options` both lead to `{property}`"));
        }
        found.properties.insert(property.clone(), text.clone());
    }
    found
}

impl Security {
    fn problem(&mut self, key: &'static str, text: impl Into<String>) {
        self.problems.push((key, text.into()));
    }

    fn set(&mut self, property: &str, text: Option<String>) {
        self.properties.extend(text.map(|text| (property.to_owned(), text)));
    }

    fn word(&mut self, key: &'static str, text: Option<String>, words: &[&str]) -> Option<String> {
        let text = text?;
        if !words.contains(&text.as_str()) {
            self.problem(key, format!("is `{text}`; it is one of: {}", words.join(", ")));
        }
        Some(text)
    }

    fn password(
        &mut self,
        given: Option<String>,
        file: Option<String>,
        read: &dyn Fn(&Path) -> io::Result<String>,
    ) -> Option<String> {
        let Some(file) = file else { return given };
        if given.is_some() {
            self.problem(PASSWORD_FILE, "is set, and `kafka.password` too: one of them is enough");
        }
        match read(Path::new(&file)) {
            Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
            Err(error) => {
                self.problem(PASSWORD_FILE, format!("cannot be read: {error}"));
                None
            }
        }
    }

    /// What belongs together stands together: a password that goes nowhere would look like safety.
    fn check(&mut self, protocol: Option<&str>, options: &BTreeMap<String, String>) {
        let has = |security: &Self, property: &str| {
            security.properties.contains_key(property) || options.contains_key(property)
        };
        let option = options.get("security.protocol").map(|text| text.to_lowercase());
        let protocol = protocol.map(str::to_owned).or(option).unwrap_or_default();
        let (sasl, tls) = (protocol.starts_with("sasl_"), protocol.ends_with("ssl"));
        for (property, key) in [
            ("sasl.mechanism", MECHANISM),
            ("sasl.username", USERNAME),
            ("sasl.password", PASSWORD),
        ] {
            if !sasl && self.properties.contains_key(property) {
                self.problem(key, "is set, but `kafka.security_protocol` is not sasl_ssl");
            }
        }
        let named = self.properties.contains_key("security.protocol");
        if sasl && named {
            for (property, key) in [("sasl.username", USERNAME), ("sasl.password", PASSWORD)] {
                let other = has(self, "sasl.oauthbearer.config") || has(self, "sasl.mechanisms");
                if !has(self, property) && !other {
                    self.problem(key, format!("is not set, but {PROTOCOL} is {protocol}"));
                }
            }
            if !has(self, "sasl.mechanism") && !has(self, "sasl.mechanisms") {
                self.problem(MECHANISM, format!("is not set, but {PROTOCOL} is {protocol}"));
            }
        }
        for (property, key) in [
            ("ssl.ca.location", CA_FILE),
            ("ssl.certificate.location", CERTIFICATE_FILE),
            ("ssl.key.location", KEY_FILE),
        ] {
            if !tls && self.properties.contains_key(property) {
                self.problem(key, "is set, but `kafka.security_protocol` is not ssl or sasl_ssl");
            }
        }
        let (certificate, key) =
            (has(self, "ssl.certificate.location"), has(self, "ssl.key.location"));
        if self.properties.contains_key("ssl.certificate.location") && !key {
            self.problem(KEY_FILE, "is not set, but `kafka.certificate_file` is");
        }
        if self.properties.contains_key("ssl.key.location") && !certificate {
            self.problem(CERTIFICATE_FILE, "is not set, but `kafka.key_file` is");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> io::Result<String> {
        match path.to_str() {
            Some("/missing") => Err(io::ErrorKind::NotFound.into()),
            Some("/password") => Ok("from file \n".to_owned()),
            _ => Ok(String::new()),
        }
    }

    /// `property=value` of each, then `! setting: problem` of each.
    fn of(settings: &[(&str, &str)], options: &[(&str, &str)]) -> String {
        let owned = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()
        };
        let settings = owned(settings);
        let value = |key: &str| settings.get(key.strip_prefix("kafka.")?).cloned();
        let found = properties(&value, &owned(options), &read);
        let lines = found.properties.iter().map(|(name, text)| format!("{name}={text}"));
        let problems = found.problems.iter().map(|(key, text)| format!("! {key} {text}"));
        lines.chain(problems).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn settings_become_properties() {
        let check = |settings: &[(&str, &str)], options: &[(&str, &str)], expect: &str| {
            assert_eq!(of(settings, options), expect, "{settings:?} {options:?}");
        };
        check(&[], &[], "");
        check(&[], &[("linger.ms", "5")], "linger.ms=5");
        check(
            &[("security_protocol", "SSL"), ("ca_file", "/ca")],
            &[],
            "security.protocol=ssl\nssl.ca.location=/ca",
        );
        check(
            &[
                ("security_protocol", "sasl_ssl"),
                ("sasl_mechanism", "scram-sha-512"),
                ("username", "me"),
                ("password_file", "/password"),
            ],
            &[],
            "sasl.mechanism=SCRAM-SHA-512\nsasl.password=from file \nsasl.username=me\n\
             security.protocol=sasl_ssl",
        );
        check(
            &[("security_protocol", "ssl"), ("certificate_file", "/c"), ("key_file", "/k")],
            &[("ssl.key.password", "hush")],
            "security.protocol=ssl\nssl.certificate.location=/c\nssl.key.location=/k\n\
             ssl.key.password=hush",
        );
        check(
            &[("username", "me"), ("password", "p")],
            &[("security.protocol", "SASL_SSL"), ("sasl.mechanisms", "PLAIN")],
            "sasl.mechanisms=PLAIN\nsasl.password=p\nsasl.username=me\nsecurity.protocol=SASL_SSL",
        );
    }

    #[test]
    fn what_does_not_fit_together_is_said() {
        let check = |settings: &[(&str, &str)], options: &[(&str, &str)], expect: &[&str]| {
            let text = of(settings, options);
            let found: Vec<&str> = text.lines().filter(|line| line.starts_with('!')).collect();
            assert_eq!(found.len(), expect.len(), "{text}");
            for part in expect {
                assert!(found.iter().any(|line| line.contains(part)), "{part} in {text}");
            }
        };
        check(&[("security_protocol", "tls")], &[], &["is `tls`"]);
        check(&[("password", "p")], &[], &["kafka.password is set, but"]);
        check(&[("ca_file", "/ca")], &[], &["kafka.ca_file is set, but"]);
        check(
            &[("security_protocol", "sasl_ssl")],
            &[],
            &["kafka.username is not", "kafka.password is not", "kafka.sasl_mechanism is not"],
        );
        let tls = ("security_protocol", "ssl");
        check(&[tls, ("key_file", "/k")], &[], &["kafka.certificate_file is not set"]);
        check(&[tls, ("ca_file", "/missing")], &[], &["kafka.ca_file cannot be read"]);
        check(&[tls], &[("security.protocol", "plaintext")], &["both lead to"]);
        let full = [
            ("security_protocol", "sasl_ssl"),
            ("sasl_mechanism", "PLAIN"),
            ("username", "me"),
            ("password", "p"),
            ("password_file", "/password"),
        ];
        check(&full, &[], &["`kafka.password` too"]);
    }
}
