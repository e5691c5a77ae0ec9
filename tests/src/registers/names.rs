//! Who and what is in the registers.

use super::{Draw, Registers, luhn};

const GIVEN: &[&str] = &[
    "Hélène",
    "Françoise",
    "Léa",
    "Chloé",
    "Zoé",
    "Inès",
    "Noémie",
    "Aurélie",
    "Stéphanie",
    "Céline",
    "Élodie",
    "Amélie",
    "Cécile",
    "Geneviève",
    "Agnès",
    "Valérie",
    "Marie",
    "Camille",
    "Julie",
    "Sophie",
    "Claire",
    "Isabelle",
    "Nathalie",
    "Sandrine",
    "Catherine",
    "Anne",
    "Laura",
    "Manon",
    "Emma",
    "Pauline",
    "Lucie",
    "Sarah",
    "Fatima",
    "Nadia",
    "Karima",
    "Maryam",
    "Thi Lan",
    "François",
    "Jérôme",
    "Stéphane",
    "Frédéric",
    "Sébastien",
    "Grégory",
    "Cédric",
    "Loïc",
    "Raphaël",
    "Joël",
    "Noël",
    "Hervé",
    "André",
    "René",
    "Gérard",
    "Jean",
    "Pierre",
    "Michel",
    "Philippe",
    "Nicolas",
    "Thomas",
    "Julien",
    "Antoine",
    "Paul",
    "Louis",
    "Hugo",
    "Lucas",
    "Mohamed",
    "Karim",
    "Mehdi",
    "Ousmane",
    "Ibrahim",
    "Wei",
    "Jean-Pierre",
    "Jean-François",
    "Jean-Baptiste",
    "Marie-Claude",
    "Anne-Sophie",
    "Marie-Thérèse",
    "Anne-Laure",
    "Pierre-Yves",
];
const STARTS: &[&str] = &[
    "LE", "BEAU", "MAR", "DU", "RO", "BER", "GAR", "MO", "FON", "CHA", "VIL", "SAU", "PER", "LA",
    "GUI", "BOU", "CAR", "DES", "FAU", "GIR", "HU", "JOU", "KER", "LAM", "MEU", "NO", "PEL", "QUE",
    "RI", "TES", "VER", "BRE", "CLE", "DRO", "FLE", "GRA", "PRU", "TRO", "ABI", "ELI", "OZA", "UR",
];
const MIDDLES: &[&str] = &[
    "FE", "LI", "NA", "RO", "TE", "VAN", "CHE", "DI", "GEL", "LO", "MI", "NE", "PO", "QUI", "RE",
    "SE", "TI", "VI", "BER", "CO", "DE", "FRE", "GNE", "LAI", "MEN", "NOU", "RAI", "SSE", "TRI",
];
const ENDS: &[&str] = &[
    "VRE", "ER", "IN", "OT", "ET", "EAU", "ARD", "AUD", "ON", "AY", "EZ", "EC", "IER", "ELLE",
    "AIN", "OUX", "ANT", "EUR", "IS", "Y", "AS", "OIS", "EL", "ERT", "NET", "LET", "RAND", "MONT",
];

/// Code, label, weight in thousandths, whether it is called doctor.
pub(super) type Profession = (&'static str, &'static str, u32, bool);
const PROFESSIONS: &[Profession] = &[
    ("60", "Infirmier", 375, false),
    ("10", "Médecin", 180, true),
    ("70", "Masseur-Kinésithérapeute", 75, false),
    ("93", "Psychologue", 70, false),
    ("21", "Pharmacien", 60, true),
    ("86", "Technicien de laboratoire médical", 40, false),
    ("40", "Chirurgien-Dentiste", 38, true),
    ("28", "Opticien-Lunetier", 34, false),
    ("98", "Manipulateur ERM", 32, false),
    ("50", "Sage-Femme", 22, false),
    ("91", "Orthophoniste", 20, false),
    ("80", "Pédicure-Podologue", 14, false),
    ("95", "Diététicien", 14, false),
    ("94", "Ergothérapeute", 13, false),
    ("96", "Psychomotricien", 9, false),
    ("92", "Orthoptiste", 4, false),
];
const SPECIALITIES: &[(&str, &str)] = &[
    ("SM54", "Médecine Générale"),
    ("SM54", "Médecine Générale"),
    ("SM53", "Spécialiste en Médecine Générale"),
    ("SM53", "Spécialiste en Médecine Générale"),
    ("SM04", "Cardiologie et maladies vasculaires"),
    ("SM42", "Psychiatrie"),
    ("SM02", "Anesthésie-réanimation"),
    ("SM40", "Pédiatrie"),
    ("SM44", "Radio-diagnostic"),
    ("SM38", "Ophtalmologie"),
    ("SM18", "Gériatrie"),
    ("SM41", "Pneumologie"),
    ("SM32", "Neurologie"),
    ("SM05", "Chirurgie générale"),
];
/// Category, label, sector, sector's label, weight in hundredths.
const CATEGORIES: &[(&str, &str, &str, &str, u32)] = &[
    (
        "355",
        "Centre Hospitalier (C.H.)",
        "SA01",
        "Etablissement public de santé",
        6,
    ),
    (
        "500",
        "EHPAD",
        "SA17",
        "Etablissement pour personnes âgées",
        18,
    ),
    ("124", "Centre de Santé", "SA05", "Centre de santé", 8),
    (
        "603",
        "Maison de santé (L.6223-3)",
        "SA07",
        "Cabinet individuel",
        6,
    ),
    (
        "620",
        "Pharmacie d'Officine",
        "SA33",
        "Pharmacie d'officine",
        40,
    ),
    (
        "611",
        "Laboratoire de Biologie Médicale",
        "SA25",
        "Laboratoire",
        8,
    ),
    (
        "354",
        "Service de Soins Infirmiers A Domicile (S.S.I.A.D)",
        "SA21",
        "SSIAD",
        14,
    ),
];

/// Who somebody is.
pub(super) struct Identity {
    pub(super) rpps: String,
    pub(super) family: String,
    pub(super) given: String,
    pub(super) woman: bool,
    pub(super) profession: Profession,
}

/// Where somebody works.
pub(super) enum Workplace {
    /// An establishment with a FINESS number.
    Establishment { number: u32, town: u32 },
    /// A cabinet of one's own.
    Cabinet { key: u64, town: u32 },
}

impl Workplace {
    pub(super) fn town(&self) -> u32 {
        match self {
            Self::Establishment { town, .. } | Self::Cabinet { town, .. } => *town,
        }
    }
}

/// A town.
pub(super) struct Town {
    pub(super) code: String,
    pub(super) postal_code: String,
    pub(super) name: String,
    pub(super) north: f64,
    pub(super) east: f64,
}

/// A structure with a FINESS number.
pub(super) struct Establishment {
    pub(super) finess: String,
    pub(super) legal: String,
    pub(super) siret: String,
    pub(super) name: String,
    pub(super) category: (&'static str, &'static str),
    pub(super) sector: (&'static str, &'static str),
    pub(super) town: u32,
}

impl Registers {
    pub(super) fn identity(&self, number: u32) -> Identity {
        let mut draw = self.draw("person", number.into());
        let given = draw.of(GIVEN);
        let at = GIVEN.iter().position(|one| *one == given).unwrap();
        Identity {
            rpps: luhn(&format!("999{number:07}")),
            family: self.family(&mut draw),
            given: given.to_owned(),
            woman: at < 37 || (73..77).contains(&at),
            profession: profession(&mut draw),
        }
    }

    /// A family name; frequent ones are far more frequent.
    fn family(&self, draw: &mut Draw) -> String {
        let number = draw.skewed(160_000);
        let single = surname(number);
        match draw.below(100) {
            0..5 => format!("{single}-{}", surname(draw.skewed(160_000))),
            5 => format!("DE {single}"),
            6 => format!("D'{single}"),
            7 => format!("LE {single}"),
            _ => single,
        }
    }

    /// How many lines of activity somebody has.
    pub(super) fn lines(&self, number: u32) -> u32 {
        match self.draw("lines", number.into()).below(100) {
            0..86 => 1,
            86..97 => 2,
            _ => 3,
        }
    }

    /// Where somebody works by one line; nowhere in particular for one in ten.
    pub(super) fn place(&self, number: u32, line: u32) -> Option<Workplace> {
        let key = (u64::from(number) << 2) | u64::from(line);
        let mut draw = self.draw("place", key);
        match draw.below(100) {
            0..55 => {
                // A few hundred hospitals employ most.
                let number = if draw.percent(60) {
                    draw.skewed(self.size.establishments.div_ceil(60))
                } else {
                    draw.below(self.size.establishments)
                };
                let town = self.establishment(number).town;
                Some(Workplace::Establishment { number, town })
            }
            55..90 => Some(Workplace::Cabinet {
                key,
                town: draw.skewed(self.size.towns),
            }),
            _ => None,
        }
    }

    /// The secure address of somebody, if there is one. Namesakes have a number in theirs.
    pub(super) fn address(&self, number: u32, person: &Identity) -> Option<String> {
        let mut draw = self.draw("mailbox", number.into());
        if !draw.percent(23) {
            return None;
        }
        let domain = self.domain(&mut draw);
        let given = plain(&person.given);
        let family = plain(&person.family);
        Some(format!("{given}.{family}.{number:x}@{domain}"))
    }

    /// The domains of operators hold most mailboxes, the others a few.
    pub(super) fn domain(&self, draw: &mut Draw) -> String {
        match draw.below(100) {
            0..14 => "medecin.mssante.test".to_owned(),
            14..34 => "pro.mssante.test".to_owned(),
            34..44 => "infirmier.mssante.test".to_owned(),
            _ => format!(
                "etablissement-{}.mssante.test",
                draw.below(self.size.domains)
            ),
        }
    }

    pub(super) fn town(&self, number: u32) -> Town {
        let mut draw = self.draw("town", number.into());
        if number == 0 {
            // Libéraux of all of Paris bear its one code.
            return Town {
                code: "75056".to_owned(),
                postal_code: format!("750{:02}", 1 + draw.below(20)),
                name: "Paris".to_owned(),
                north: 48.8566,
                east: 2.3522,
            };
        }
        let department = 1 + number % 95;
        let within = number / 95;
        let base = title(&surname(draw.below(160_000)));
        let name = match draw.below(10) {
            0..2 => format!("Saint-{}", draw.of(GIVEN)),
            2 => format!("{base}-sur-{}", title(&surname(draw.below(60)))),
            3 => format!("La {base}"),
            4 => format!("{base}-les-Bains"),
            _ => base,
        };
        Town {
            code: format!("{department:02}{within:03}"),
            postal_code: format!("{department:02}{:03}", within / 10 * 10),
            name,
            north: 43.0 + f64::from(draw.below(7_000)) / 1_000.0,
            east: -1.0 + f64::from(draw.below(8_000)) / 1_000.0,
        }
    }

    pub(super) fn establishment(&self, number: u32) -> Establishment {
        let mut draw = self.draw("establishment", number.into());
        let category = if number < self.size.establishments.div_ceil(60) {
            CATEGORIES[0]
        } else {
            weighted(&mut draw, CATEGORIES, |one| one.4)
        };
        let town = draw.skewed(self.size.towns);
        let place = self.town(town).name.to_uppercase();
        let name = match category.0 {
            "355" => format!(
                "CENTRE HOSPITALIER DE {place} {}",
                surname(draw.below(5_000))
            ),
            "500" => format!("EHPAD RESIDENCE {}", surname(draw.below(9_000))),
            "620" => format!("PHARMACIE {}", surname(draw.below(160_000))),
            _ => format!("{} {place}", category.1.to_uppercase()),
        };
        Establishment {
            finess: luhn(&format!("99{number:06}")),
            legal: luhn(&format!("98{:06}", number / 3)),
            siret: luhn(&format!("99900{number:08}")),
            name,
            category: (category.0, category.1),
            sector: (category.2, category.3),
            town,
        }
    }

    pub(super) fn speciality(&self, number: u32, again: u32) -> (&'static str, &'static str) {
        let key = (u64::from(number) << 4) | u64::from(again);
        self.draw("speciality", key).of(SPECIALITIES)
    }
}

fn profession(draw: &mut Draw) -> Profession {
    weighted(draw, PROFESSIONS, |one| one.2)
}

fn weighted<T: Copy>(draw: &mut Draw, list: &[T], weight: impl Fn(&T) -> u32) -> T {
    let mut left = draw.below(list.iter().map(&weight).sum());
    for one in list {
        match left.checked_sub(weight(one)) {
            Some(rest) => left = rest,
            None => return *one,
        }
    }
    list[0]
}

/// One of some 160,000 names in capitals.
pub(super) fn surname(number: u32) -> String {
    let mut number = number as usize;
    let mut take = |list: &[&'static str]| {
        let one = list[number % list.len()];
        number /= list.len();
        one
    };
    let (start, end) = (take(STARTS), take(ENDS));
    let mut name = start.to_owned();
    while number > 0 {
        let at = number % (MIDDLES.len() + 1);
        number /= MIDDLES.len() + 1;
        name.extend(at.checked_sub(1).and_then(|at| MIDDLES.get(at)).copied());
    }
    name.push_str(end);
    name
}

fn title(capitals: &str) -> String {
    let lower = capitals.to_lowercase();
    let mut letters = lower.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// A name as addresses write it.
fn plain(name: &str) -> String {
    name.chars()
        .flat_map(char::to_lowercase)
        .filter_map(|letter| match letter {
            'a'..='z' | '-' => Some(letter),
            'é' | 'è' | 'ê' | 'ë' => Some('e'),
            'ç' => Some('c'),
            'ï' | 'î' => Some('i'),
            'ô' => Some('o'),
            ' ' | '\'' => Some('-'),
            _ => None,
        })
        .collect()
}
