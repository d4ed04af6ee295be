//! Names, addresses and tax numbers of invented customers.

use super::random::Random;

/// A country's words.
pub struct Locale {
    pub country: &'static str,
    families: &'static [&'static str],
    trades: &'static [&'static str],
    suffixes: &'static [&'static str],
    streets: &'static [&'static str],
    /// City and the first digits of its postal code.
    cities: &'static [(&'static str, &'static str)],
    domain: &'static str,
}

pub const FRANCE: Locale = Locale {
    country: "FR",
    families: &[
        "Moreau",
        "Lefèvre",
        "Garnier",
        "Rousseau",
        "Blanchard",
        "Chevalier",
        "Marchand",
        "Perrin",
        "Fontaine",
        "Delorme",
        "Besson",
        "Vidal",
        "Mercier",
        "Colin",
        "Barbier",
        "Dupuis",
    ],
    trades: &[
        "Boulangerie",
        "Imprimerie",
        "Logistique",
        "Librairie",
        "Clinique",
        "Studio",
        "Transports",
        "Édition",
        "Vignobles",
        "Mécanique",
        "Textiles",
        "Conseil",
    ],
    suffixes: &["SARL", "SAS", "SA"],
    streets: &["rue Victor Hugo", "quai de Saône", "rue de la République", "avenue Jean Jaurès"],
    cities: &[
        ("Lyon", "69003"),
        ("Villeurbanne", "69100"),
        ("Grenoble", "38000"),
        ("Dijon", "21000"),
    ],
    domain: "fr",
};

pub const ITALY: Locale = Locale {
    country: "IT",
    families: &[
        "Rossi", "Ferrari", "Esposito", "Bianchi", "Colombo", "Ricci", "Marino", "Gallo", "Conti",
        "Lombardi", "Moretti", "Barbieri", "Fontana", "Santoro", "Mariani", "Rinaldi",
    ],
    trades: &[
        "Officine",
        "Tessitura",
        "Cantine",
        "Editoriale",
        "Studio",
        "Trasporti",
        "Caffè",
        "Farmacia",
        "Arredamenti",
        "Meccanica",
        "Ceramiche",
        "Consulenza",
    ],
    suffixes: &["S.r.l.", "S.p.A.", "S.n.c."],
    streets: &["via Garibaldi", "corso Como", "viale Monza", "via Torino"],
    cities: &[("Milano", "20121"), ("Bergamo", "24121"), ("Torino", "10121"), ("Brescia", "25121")],
    domain: "it",
};

pub const JAPAN: Locale = Locale {
    country: "JP",
    families: &[
        "Tanaka",
        "Yamamoto",
        "Nakamura",
        "Kobayashi",
        "Kato",
        "Yoshida",
        "Matsumoto",
        "Inoue",
        "Kimura",
        "Hayashi",
        "Shimizu",
        "Ikeda",
        "Mori",
        "Abe",
        "Ishikawa",
        "Ogawa",
    ],
    trades: &[
        "Shokai", "Kogyo", "Insatsu", "Butsuryu", "Seika", "Denki", "Kikai", "Shuppan", "Yakuhin",
        "Sangyo", "Shoji", "Kensetsu",
    ],
    suffixes: &["K.K.", "G.K."],
    streets: &["Umeda", "Namba", "Shinsaibashi", "Honmachi"],
    cities: &[
        ("Osaka", "530-0001"),
        ("Sakai", "590-0078"),
        ("Kobe", "650-0021"),
        ("Kyoto", "600-8216"),
    ],
    domain: "jp",
};

/// What an invoice says about a customer.
#[derive(Debug, Clone)]
pub struct Identity {
    pub name: String,
    pub street: String,
    pub postal_code: String,
    pub city: String,
    pub country: &'static str,
    pub tax_id: String,
    pub email: String,
}

impl Locale {
    pub fn identity(&self, number: u32, random: &mut Random) -> Identity {
        let family = random.pick(self.families);
        let trade = random.pick(self.trades);
        let (city, postal_code) = random.pick(self.cities);
        let house = random.between(1, 120);
        let street = random.pick(self.streets);
        let (name, street) = match self.country {
            "JP" => {
                (format!("{family} {trade}"), format!("{street} {house}-{}", random.between(1, 9)))
            }
            "IT" => (format!("{trade} {family}"), format!("{street} {house}")),
            _ => (format!("{trade} {family}"), format!("{house} {street}")),
        };
        Identity {
            name: format!("{name} {}", random.pick(self.suffixes)),
            street,
            postal_code: (*postal_code).to_owned(),
            city: (*city).to_owned(),
            country: self.country,
            tax_id: tax_id(self.country, random),
            // Domains of RFC 2606: nothing is ever sent to anybody real.
            email: format!("accounts+{number:04}@{}.example", self.domain),
        }
    }
}

/// A number in the country's shape; the French and Italian check digits are right.
fn tax_id(country: &str, random: &mut Random) -> String {
    match country {
        "FR" => {
            let siren = with_luhn(random.between(30_000_000, 99_999_999));
            format!("FR{:02}{siren:09}", (12 + 3 * (siren % 97)) % 97)
        }
        "IT" => format!("IT{:011}", with_luhn(random.between(100_000_000, 999_999_999) * 10 + 1)),
        _ => format!("T{}", random.between(1_000_000_000_000, 9_999_999_999_999)),
    }
}

/// Appends the Luhn check digit.
fn with_luhn(number: i64) -> i64 {
    let (mut rest, mut sum, mut double) = (number, 0, true);
    while rest > 0 {
        let digit = if double { rest % 10 * 2 } else { rest % 10 };
        sum += if digit > 9 { digit - 9 } else { digit };
        double = !double;
        rest /= 10;
    }
    number * 10 + (10 - sum % 10) % 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_are_right() {
        // 7992739871 with the check digit 3 is the textbook example.
        assert_eq!(with_luhn(7_992_739_871), 79_927_398_713);
    }
}
