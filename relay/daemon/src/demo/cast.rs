//! The people and organisations of the fictional territory.

use liaison_certs_dev::KeyKind;

use super::feed;

/// A member as the cast describes it.
pub(super) struct Role {
    pub(super) name: &'static str,
    pub(super) organisation: &'static str,
    pub(super) category: &'static str,
    pub(super) domain: &'static str,
    pub(super) finess: Option<&'static str>,
    pub(super) people: &'static [Person],
}

/// Somebody, or a service, with a mailbox.
pub(super) struct Person {
    pub(super) address: &'static str,
    pub(super) name: &'static str,
    pub(super) profession: &'static str,
    pub(super) rpps: Option<&'static str>,
    pub(super) role: &'static str,
    pub(super) key: KeyKind,
    /// A mailbox of the organisation rather than of a person.
    pub(super) is_service: bool,
    /// Whether somebody logs in to it.
    pub(super) has_account: bool,
}

/// The cast. No RPPS begins with 00 and no département bears 00: these numbers cannot exist.
pub(super) const CAST: &[Role] = &[
    Role {
        name: "dac",
        organisation: "DAC du Pays de Valombre",
        category: "Dispositif d'appui à la coordination",
        domain: "dac-valombre.test",
        finess: None,
        people: &[
            Person {
                address: "coordination@dac-valombre.test",
                name: "DAC du Pays de Valombre",
                profession: "Coordination",
                rpps: None,
                role: "coordination",
                key: KeyKind::P256,
                is_service: true,
                has_account: true,
            },
            Person {
                address: "signalement@dac-valombre.test",
                name: "Signalement des erreurs médicamenteuses",
                profession: "Registre des signalements",
                rpps: None,
                role: "reports",
                key: KeyKind::P256,
                is_service: true,
                has_account: false,
            },
        ],
    },
    Role {
        name: "hospital",
        organisation: "Centre hospitalier de Valombre",
        category: "Centre hospitalier",
        domain: "ch-valombre.test",
        finess: Some("000000001"),
        people: &[Person {
            address: "avis@ch-valombre.test",
            name: "CH de Valombre",
            profession: "Avis d'entrée et de sortie",
            rpps: None,
            role: "hospital ward",
            key: KeyKind::P256,
            is_service: true,
            has_account: true,
        }],
    },
    Role {
        name: "ehpad",
        organisation: "EHPAD Les Tilleuls",
        category: "EHPAD",
        domain: "ehpad-tilleuls.test",
        finess: Some(feed::NURSING_HOME),
        people: &[Person {
            address: "soins@ehpad-tilleuls.test",
            name: "Nadia ROCHE, infirmière coordinatrice",
            profession: "Équipe soignante",
            rpps: None,
            role: "nursing home",
            key: KeyKind::P256,
            is_service: true,
            has_account: true,
        }],
    },
    Role {
        name: "practice",
        organisation: "Maison de santé de la Rivière",
        category: "Maison de santé pluriprofessionnelle",
        domain: "cabinet-riviere.test",
        finess: None,
        people: &[
            Person {
                address: "claire.garnier@cabinet-riviere.test",
                name: "Dr Claire GARNIER",
                profession: "Médecin généraliste",
                rpps: Some(feed::FAMILY_DOCTOR),
                role: "family doctor",
                key: KeyKind::Rsa2048,
                is_service: false,
                has_account: true,
            },
            Person {
                address: "luc.morel@cabinet-riviere.test",
                name: "Luc MOREL",
                profession: "Infirmier",
                rpps: Some(feed::HOME_NURSE),
                role: "home nurse",
                key: KeyKind::P256,
                is_service: false,
                has_account: true,
            },
        ],
    },
    Role {
        name: "pharmacy",
        organisation: "Pharmacie de la Halle",
        category: "Pharmacie d'officine",
        domain: "pharmacie-halle.test",
        finess: Some(feed::PHARMACY),
        people: &[Person {
            address: "officine@pharmacie-halle.test",
            name: "Inès CARON, pharmacienne",
            profession: "Pharmacien",
            rpps: None,
            role: "pharmacy",
            key: KeyKind::P256,
            is_service: true,
            has_account: true,
        }],
    },
];

/// The address that takes reports of medication errors.
pub(super) const REPORTS: &str = "signalement@dac-valombre.test";
/// Where everybody is.
pub(super) const TOWN: &str = "Valombre";
/// Who publishes the directory.
pub(super) const DIRECTORY_OWNER: &str = "dac";
