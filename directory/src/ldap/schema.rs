//! The attributes that entries bear, and how their values compare.
//!
//! `inetOrgPerson` (RFC 2798), `mozillaAbPersonAlpha` (what Thunderbird's address book maps), and
//! the names of the MSSanté directory, so that hospital software that asks it can ask us.

/// How the values of an attribute compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Matching {
    /// As names: without capitals, accents, hyphens.
    Words,
    /// As telephone numbers: digits alone.
    Telephone,
    /// As codes: without capitals.
    Code,
    /// Not at all.
    Never,
}

macro_rules! attributes {
    ($($(#[$doc:meta])* $name:ident = [$first:literal $(, $alias:literal)*], $oid:literal, $matching:ident;)+) => {
        /// An attribute that entries may bear.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(super) enum Attribute {
            $($(#[$doc])* $name,)+
        }

        impl Attribute {
            pub(super) const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name that answers bear, then those that it may be asked by.
            fn names(self) -> &'static [&'static str] {
                match self {
                    $(Self::$name => &[$first $(, $alias)*],)+
                }
            }

            /// Its object identifier; those below 1.3.6.1.4.1.32473 (RFC 5612, documentation) are
            /// of attributes that never had a published one.
            pub(super) fn oid(self) -> &'static str {
                match self {
                    $(Self::$name => $oid,)+
                }
            }

            /// How its values compare.
            pub(super) fn matching(self) -> Matching {
                match self {
                    $(Self::$name => Matching::$matching,)+
                }
            }
        }
    };
}

attributes! {
    ObjectClass = ["objectClass"], "2.5.4.0", Code;
    /// What a client shows in its list: name, activity, town; then the name in both orders.
    Cn = ["cn", "commonName"], "2.5.4.3", Words;
    Sn = ["sn", "surname"], "2.5.4.4", Words;
    GivenName = ["givenName", "gn"], "2.5.4.42", Words;
    DisplayName = ["displayName", "display-name", "mozillaNickname"], "2.16.840.1.113730.3.1.241", Words;
    /// Secure addresses, the preferred one first.
    Mail = ["mail", "rfc822Mailbox", "email", "emailAddress", "proxyAddresses"], "0.9.2342.19200300.100.1.3", Code;
    SecondMail = ["mozillaSecondEmail"], "1.3.6.1.4.1.13769.3.3", Code;
    TelephoneNumber = ["telephoneNumber", "workPhone", "phone"], "2.5.4.20", Telephone;
    Fax = ["facsimileTelephoneNumber", "fax"], "2.5.4.23", Telephone;
    Title = ["title", "personalTitle"], "2.5.4.12", Words;
    O = ["o", "organizationName", "company"], "2.5.4.10", Words;
    Ou = ["ou", "organizationalUnitName", "department", "orgUnit"], "2.5.4.11", Words;
    Street = ["street", "streetAddress", "mozillaWorkStreet2"], "2.5.4.9", Words;
    PostalCode = ["postalCode", "zip"], "2.5.4.17", Code;
    L = ["l", "localityName", "locality", "city"], "2.5.4.7", Words;
    C = ["c", "countryName", "co"], "2.5.4.6", Code;
    Description = ["description", "notes"], "2.5.4.13", Words;
    LabeledUri = ["labeledURI", "url", "workUrl"], "1.3.6.1.4.1.250.1.57", Never;
    Uid = ["uid", "userid", "mailNickname"], "0.9.2342.19200300.100.1.1", Code;
    /// The names of those who take over while a person is away.
    SeeAlso = ["seeAlso"], "2.5.4.34", Code;
    /// Encryption certificates that are valid now (RFC 4523 §4.1).
    UserCertificate = ["userCertificate"], "2.5.4.36", Never;
    /// The same, each in a PKCS #7 that bears nothing else (RFC 2798 §2.8).
    UserSmimeCertificate = ["userSMIMECertificate"], "2.16.840.1.113730.3.1.40", Never;
    /// How fresh the entry is.
    Custom1 = ["mozillaCustom1", "custom1"], "1.3.6.1.4.1.13769.4.1", Words;
    /// What its mailboxes are for.
    Custom2 = ["mozillaCustom2", "custom2"], "1.3.6.1.4.1.13769.4.2", Words;
    /// `PER`, `ORG`, `APP` or `CAB`.
    TypeBal = ["TypeBAL"], "1.3.6.1.4.1.32473.9.1", Code;
    IdentifiantPp = ["IdentifiantPP"], "1.3.6.1.4.1.32473.9.2", Code;
    /// `8` for RPPS.
    TypeIdentifiantPp = ["TypeIdentifiantPP"], "1.3.6.1.4.1.32473.9.3", Code;
    /// The profession's code (TRE_G15).
    Profession = ["profession"], "1.3.6.1.4.1.32473.9.4", Code;
    IdentifiantPm = ["IdentifiantPM"], "1.3.6.1.4.1.32473.9.5", Code;
    /// `FINESS`, `SIRET`.
    TypeIdentifiantPm = ["TypeIdentifiantPM"], "1.3.6.1.4.1.32473.9.6", Code;
    EntryUuid = ["entryUUID"], "1.3.6.1.1.16.4", Code;
    EntryDn = ["entryDN"], "1.3.6.1.1.20", Code;
    ModifyTimestamp = ["modifyTimestamp"], "2.5.18.2", Code;
    CreateTimestamp = ["createTimestamp"], "2.5.18.1", Code;
    SubschemaSubentry = ["subschemaSubentry"], "2.5.18.10", Code;
    HasSubordinates = ["hasSubordinates"], "2.5.18.9", Code;
    Dc = ["dc", "domainComponent"], "0.9.2342.19200300.100.1.25", Code;
    NamingContexts = ["namingContexts"], "1.3.6.1.4.1.1466.101.120.5", Code;
    SupportedLdapVersion = ["supportedLDAPVersion"], "1.3.6.1.4.1.1466.101.120.15", Code;
    SupportedControl = ["supportedControl"], "1.3.6.1.4.1.1466.101.120.13", Code;
    SupportedExtension = ["supportedExtension"], "1.3.6.1.4.1.1466.101.120.7", Code;
    SupportedFeatures = ["supportedFeatures"], "1.3.6.1.4.1.4203.1.3.5", Code;
    VendorName = ["vendorName"], "1.3.6.1.1.4", Code;
    SchemaAttributes = ["attributeTypes"], "2.5.21.5", Code;
    ObjectClasses = ["objectClasses"], "2.5.21.6", Code;
}

impl Attribute {
    /// The attribute that a description names, whatever its options (RFC 4512 §2.5); `None` for
    /// one that no entry bears.
    pub(super) fn of(description: &str) -> Option<Self> {
        let name = description.split(';').next().unwrap_or_default();
        Self::ALL.iter().copied().find(|attribute| {
            attribute.oid() == name
                || attribute
                    .names()
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(name))
        })
    }

    /// The description under which its values are sent.
    pub(super) fn description(self) -> &'static str {
        match self {
            // RFC 4523 §2.1 and RFC 2798 §2.8: both are asked for and sent as binary.
            Self::UserCertificate => "userCertificate;binary",
            Self::UserSmimeCertificate => "userSMIMECertificate;binary",
            other => other.names().first().copied().unwrap_or_default(),
        }
    }

    /// Whether it is sent only when it is asked for (RFC 4512 §3.4).
    pub(super) fn is_operational(self) -> bool {
        matches!(
            self,
            Self::EntryUuid
                | Self::EntryDn
                | Self::CreateTimestamp
                | Self::ModifyTimestamp
                | Self::SubschemaSubentry
                | Self::HasSubordinates
                | Self::NamingContexts
                | Self::SupportedLdapVersion
                | Self::SupportedControl
                | Self::SupportedExtension
                | Self::SupportedFeatures
                | Self::VendorName
                | Self::SchemaAttributes
                | Self::ObjectClasses
        )
    }

    /// Its definition (RFC 4512 §4.1.2).
    fn definition(self) -> String {
        let names: Vec<_> = self
            .names()
            .iter()
            .map(|name| format!("'{name}'"))
            .collect();
        let names = match names.as_slice() {
            [one] => one.clone(),
            several => format!("( {} )", several.join(" ")),
        };
        // RFC 4517 §3.3: octet string for certificates, directory string for the rest.
        let rest = match self.matching() {
            Matching::Never if self != Self::LabeledUri => {
                "SYNTAX 1.3.6.1.4.1.1466.115.121.1.8".to_owned()
            }
            Matching::Telephone => "EQUALITY telephoneNumberMatch SUBSTR \
                telephoneNumberSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.50"
                .to_owned(),
            _ => "EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch \
                SYNTAX 1.3.6.1.4.1.1466.115.121.1.15"
                .to_owned(),
        };
        let usage = if self.is_operational() {
            " NO-USER-MODIFICATION USAGE directoryOperation"
        } else {
            ""
        };
        format!("( {} NAME {names} {rest}{usage} )", self.oid())
    }
}

/// The attributes of the subschema (RFC 4512 §4.2).
pub(super) fn attribute_types() -> impl Iterator<Item = String> {
    Attribute::ALL
        .iter()
        .map(|attribute| attribute.definition())
}

/// The object classes of the subschema.
pub(super) fn object_classes() -> [&'static str; 8] {
    [
        "( 2.5.6.0 NAME 'top' ABSTRACT MUST objectClass )",
        "( 2.5.6.6 NAME 'person' SUP top STRUCTURAL MUST ( sn $ cn ) MAY ( telephoneNumber $ seeAlso $ description ) )",
        "( 2.5.6.7 NAME 'organizationalPerson' SUP person STRUCTURAL MAY ( title $ ou $ street $ postalCode $ l $ facsimileTelephoneNumber ) )",
        "( 2.16.840.1.113730.3.2.2 NAME 'inetOrgPerson' SUP organizationalPerson STRUCTURAL MAY ( displayName $ givenName $ mail $ o $ uid $ labeledURI $ userCertificate $ userSMIMECertificate ) )",
        "( 1.3.6.1.4.1.13769.9.1 NAME 'mozillaAbPersonAlpha' SUP top AUXILIARY MAY ( mozillaSecondEmail $ mozillaCustom1 $ mozillaCustom2 $ c ) )",
        "( 2.5.6.4 NAME 'organization' SUP top STRUCTURAL MUST o MAY ( telephoneNumber $ facsimileTelephoneNumber $ street $ postalCode $ l $ description $ seeAlso ) )",
        "( 2.5.6.5 NAME 'organizationalUnit' SUP top STRUCTURAL MUST ou MAY ( telephoneNumber $ facsimileTelephoneNumber $ street $ postalCode $ l $ description $ seeAlso ) )",
        "( 1.3.6.1.4.1.32473.9.10 NAME 'liaisonActeur' SUP top AUXILIARY MAY ( cn $ mail $ TypeBAL $ IdentifiantPP $ TypeIdentifiantPP $ profession $ IdentifiantPM $ TypeIdentifiantPM $ mozillaCustom1 $ mozillaCustom2 $ userCertificate $ userSMIMECertificate ) )",
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_found_by_every_name_and_its_identifier() {
        for attribute in Attribute::ALL {
            assert_eq!(Attribute::of(attribute.oid()), Some(*attribute));
            for name in attribute.names() {
                assert_eq!(Attribute::of(name), Some(*attribute), "{name}");
                assert_eq!(Attribute::of(&name.to_uppercase()), Some(*attribute));
            }
            assert_eq!(Attribute::of(attribute.description()), Some(*attribute));
        }
        assert_eq!(
            Attribute::of("usercertificate;binary"),
            Some(Attribute::UserCertificate)
        );
        assert_eq!(Attribute::of("legacyExchangeDN"), None);
        assert_eq!(Attribute::of(""), None);
    }

    #[test]
    fn every_attribute_that_a_class_names_is_defined() {
        for class in object_classes() {
            for (_, after) in class
                .match_indices(" ( ")
                .filter_map(|(at, _)| class.get(at + 3..).map(|after| (at, after)))
            {
                let list = after.split(" )").next().unwrap();
                for name in list.split(" $ ") {
                    assert!(Attribute::of(name).is_some(), "{name} of {class}");
                }
            }
        }
    }
}
