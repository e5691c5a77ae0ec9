//! What can be said, and whose word counts.

use super::source::Source;
use super::subject::Kind;

/// Declares the fields with the octet that stands for each in files: numbers are never reused.
macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// What can be said of a subject. There is no field for a patient, a diagnosis, or for who
        /// treats whom.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Field {
            $($(#[$doc])* $name = $number,)*
        }

        impl Field {
            /// Every field.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The field that an octet stands for.
            #[must_use]
            pub fn of(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The field that has this name in this file.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|field| field.name() == name)
            }

            /// Its name, as in this file.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

fields! {
    /// The name to show.
    Name = 1,
    /// A family name, as published.
    FamilyName = 2,
    /// Given names, as published.
    GivenName = 3,
    /// `Dr`, `Pr`, `Mme`.
    Civility = 4,
    /// What a person does or what an organisation is, in words.
    Activity = 5,
    /// A profession's code (TRE_G15-ProfessionSante): `10`.
    Profession = 6,
    /// An organisation's category (TRE_R66-CategorieEtablissement): `500`.
    Category = 7,
    /// Specialities and skills, `TYPE/CODE`: `S/SM54`. Several.
    Speciality = 8,
    /// A function's or a role's code (TRE_R21, TRE_R85).
    Function = 9,
    /// `L` libéral, `S` salaried, `B` volunteer (TRE_R23-ModeExercice).
    Mode = 10,
    /// A sector of activity (TRE_R02-SecteurActivite): `SA17`.
    Sector = 11,
    /// Identifiers, `SYSTEM:VALUE`: `rpps:…`, `finess:…`, `siret:…`, `structure:…`, `id:…`. Several.
    Identifier = 12,
    /// The key of the organisation that a role is held in.
    Organisation = 13,
    /// The key of the organisation that an organisation belongs to.
    Parent = 14,
    /// A trade name.
    TradeName = 15,
    /// A short description for the bottin.
    Description = 16,
    /// Number and street.
    Street = 20,
    /// A further line of the address.
    AddressLine = 21,
    /// A postal code.
    PostalCode = 22,
    /// A town's INSEE code.
    Commune = 23,
    /// A town's name.
    Town = 24,
    /// A country's name, when it is not France.
    Country = 25,
    /// Professional telephone numbers. Several. Never private ones.
    Phone = 26,
    /// A fax number.
    Fax = 27,
    /// An ordinary mail address, not for health data.
    Email = 28,
    /// Degrees north.
    Latitude = 29,
    /// Degrees east.
    Longitude = 30,
    /// A web address.
    Url = 31,
    /// `0` when it is closed or no longer practises.
    Active = 32,
    /// From when a role is held, a date.
    From = 33,
    /// Until when, a date; included.
    Until = 34,
    /// A mailbox's address as published.
    Address = 40,
    /// A mailbox's type: `PER`, `ORG`, `APP`, `CAB`.
    MailboxType = 41,
    /// What a mailbox is for, by its owner's word. Several.
    Purpose = 42,
    /// What a mailbox seems to be for, from its name. Several. Never chooses by itself.
    SuggestedPurpose = 43,
    /// The order among the mailboxes of one owner, 1 first.
    Rank = 44,
    /// The largest message that a mailbox takes, in octets.
    MaxSize = 45,
    /// What a mailbox reads: `smime`, `xdm`, `text`. Several.
    Format = 46,
    /// When a message last arrived, a date.
    LastDelivered = 47,
    /// When a message last came back, a date.
    LastBounce = 48,
    /// Since when the national extract no longer lists the mailbox, a date.
    MissingSince = 49,
    /// `1` when the owner asks for no more paper.
    Paperless = 50,
    /// A certificate, base64 of its DER.
    Der = 55,
    /// Since when a certificate is revoked, a date.
    RevokedAt = 56,
    /// The name that a relay's certificate bears.
    ServerName = 60,
    /// The host of a relay.
    Host = 61,
    /// The port of a relay.
    Port = 62,
    /// The domains that a relay serves. Several.
    Serves = 63,
    /// Why somebody is away: `absence`, `replacement`, `retirement`.
    Reason = 70,
    /// The keys of those who take over: roles or services, in order.
    To = 71,
    /// The INSEE codes of a territory's towns. Several.
    Member = 75,
    /// The key of whom a territory names when a patient has no family doctor. Several, in order.
    Fallback = 76,
    /// A resource's kind: `pathway`, `protocol`, `document`, `link`.
    ResourceKind = 80,
    /// Who holds a protocol (HAS).
    Holder = 81,
    /// Whom to ask about it (HAS).
    Referent = 82,
    /// The professions concerned (HAS). Several.
    Audience = 83,
    /// Its objectives (HAS).
    Objectives = 84,
    /// For which people in general (HAS): criteria, never a person.
    Population = 85,
    /// Inclusion and exclusion criteria (HAS).
    Criteria = 86,
    /// Its references (HAS).
    References = 87,
    /// The working group (HAS).
    WorkingGroup = 88,
    /// Who validated it (HAS).
    Validation = 89,
    /// When it was validated, a date (HAS).
    ValidatedAt = 90,
    /// When it is to be reviewed, a date (HAS).
    ReviewAt = 91,
    /// `1` when everything in the directory is fictitious.
    Demonstration = 100,
    /// The order in the list that it comes from.
    Position = 101,
}

impl Field {
    /// Whether a subject may have several values.
    #[must_use]
    pub fn is_set(self) -> bool {
        matches!(
            self,
            Self::Speciality
                | Self::Identifier
                | Self::Phone
                | Self::Purpose
                | Self::SuggestedPurpose
                | Self::Format
                | Self::Serves
                | Self::To
                | Self::Member
                | Self::Fallback
                | Self::Audience
        )
    }

    /// Whether what several sources say adds up, rather than one source being believed: an
    /// identifier that a second register gives is another identifier, not a contradiction.
    #[must_use]
    pub fn adds_up(self) -> bool {
        matches!(
            self,
            Self::Identifier | Self::Speciality | Self::SuggestedPurpose
        )
    }
}

/// Whose word counts for `field` of a subject of `kind`: the first that says something is
/// believed. A source that is not named is not believed at all, and what it says is listed among
/// the conflicts.
#[must_use]
pub fn authority(kind: Kind, field: Field) -> &'static [Source] {
    use Source::{Community, Entries, Extract, Finess, Observation, Owner, Rpps};
    match (kind, field) {
        // Whether mail arrives is seen, not said.
        (_, Field::LastDelivered | Field::LastBounce) => &[Observation, Entries],
        // The owner alone says what a mailbox is for and which keys it has.
        (Kind::Mailbox, Field::Purpose | Field::Rank | Field::MaxSize | Field::Format) => {
            &[Owner, Entries, Community]
        }
        (Kind::Certificate, Field::RevokedAt) => &[Owner, Entries, Observation],
        (Kind::Certificate | Kind::Delegation | Kind::Relay, _) => &[Owner, Entries],
        (Kind::Mailbox, _) => &[Extract, Owner, Entries, Community],
        // Presence in the bottin, its descriptions and the volet « Actions ».
        (_, Field::Description | Field::Url)
        | (Kind::Resource | Kind::Territory | Kind::About, _) => &[Community, Owner, Entries],
        // Identity: the national register.
        (Kind::Person, _) => &[Rpps, Community, Entries, Owner, Extract],
        (Kind::Role, Field::Until | Field::From) => &[Owner, Rpps, Community, Entries],
        (Kind::Role, _) => &[Rpps, Community, Entries, Owner, Extract],
        // Structure: FINESS.
        (Kind::Organisation, _) => &[Finess, Community, Entries, Owner, Rpps, Extract],
        (Kind::Service, _) => &[Owner, Community, Entries, Extract, Finess],
        (Kind::Label | Kind::Commune, _) => &[Finess, Rpps, Community, Entries, Extract],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_octet_stands_for_one_field() {
        for field in Field::ALL {
            assert_eq!(Field::of(*field as u8), Some(*field));
        }
        assert_eq!(Field::of(0), None);
    }

    #[test]
    fn an_observer_never_publishes_a_certificate() {
        let believed = authority(Kind::Certificate, Field::Der);
        assert!(!believed.contains(&Source::Observation));
        assert!(!believed.contains(&Source::Community));
    }
}
