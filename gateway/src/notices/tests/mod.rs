//! Events of fictitious stays, and exactly the notices that they give.

mod corrections;
mod later;
mod month;
mod people;
mod rows;
mod sequences;
mod silence;
mod table;
mod texts;

use liaison_directory_client::{Finess, Rpps};
use liaison_hl7::adt::AdtEvent;
use liaison_hl7::er7::Message;
use time::macros::date;

use super::*;

/// A gateway's day in small: decides, absorbs, numbers and records as the listener does.
struct Day {
    episode: Option<Episode>,
    circle: CareCircle,
    rules: Rules,
    delivery: Delivery,
    numbers: u32,
    sent: Vec<Notice>,
}

impl Day {
    fn new() -> Day {
        let phone = Some("01 00 00 00 00".to_owned());
        Day {
            episode: None,
            circle: circle(),
            rules: Rules::of(Hospital {
                name: "CH d'Essai".to_owned(),
                phone,
                ..Hospital::default()
            }),
            delivery: Delivery::HandedOver,
            numbers: 44,
            sent: Vec::new(),
        }
    }

    fn receive(&mut self, adt: &Adt) -> Decision {
        self.receive_text(&adt.text())
    }

    fn receive_text(&mut self, text: &str) -> Decision {
        let wire = text.replace('\n', "\r");
        let event = AdtEvent::parse(&Message::parse(wire.as_bytes()).unwrap()).unwrap();
        self.episode
            .get_or_insert_with(|| Episode::begin(&event).unwrap());
        if let Some(before) = first(
            self.episode.as_mut().unwrap(),
            &event,
            &self.circle,
            &self.rules,
        ) {
            self.apply(&before);
            self.receive_event(&event);
            return before;
        }
        self.receive_event(&event)
    }

    fn receive_event(&mut self, event: &AdtEvent) -> Decision {
        let episode = self.episode.as_mut().unwrap();
        let decision = take(episode, event, &self.circle, &self.rules);
        self.apply(&decision);
        let episode = self.episode.as_mut().unwrap();
        // What is kept between two events is JSON: nothing may depend on more.
        let json = serde_json::to_string(episode).unwrap();
        *episode = serde_json::from_str(&json).unwrap();
        decision
    }

    /// Numbers, issues and records what a decision gives.
    fn apply(&mut self, decision: &Decision) {
        let (withdrawn, notices): (&[Withdrawal], &[Planned]) = match decision {
            Decision::Notices(notices) => (&[], notices),
            Decision::Correction { withdrawn, notices } => (withdrawn, notices),
            Decision::Held {
                withdrawn, leaving, ..
            } => (withdrawn, leaving),
            Decision::NoNotice(_) => (&[], &[]),
        };
        let episode = self.episode.as_mut().unwrap();
        for withdrawal in withdrawn {
            episode.mark_withdrawn(withdrawal.number);
        }
        for planned in notices {
            self.numbers += u32::from(planned.needs_number());
            let number = NoticeNumber::new(date!(2026 - 11 - 21), self.numbers);
            self.sent
                .extend(planned.issue(number, &self.rules).unwrap());
            episode.record(planned, number, self.delivery);
        }
    }

    /// Kinds, recipients and urgencies since the last call, in order.
    fn told(&mut self) -> Vec<(Kind, Role, Urgency)> {
        let sent = std::mem::take(&mut self.sent);
        sent.iter()
            .map(|notice| (notice.kind, notice.role, notice.urgency))
            .collect()
    }

    fn admitted() -> Day {
        let mut day = Day::new();
        day.receive(&a01());
        day.sent.clear();
        day
    }
}

fn number(sequence: u32) -> NoticeNumber {
    NoticeNumber::new(date!(2026 - 11 - 21), sequence)
}

fn member(role: Role, target: Target) -> CareMember {
    CareMember {
        role,
        target,
        name: None,
        care_prescribed: false,
        never: false,
    }
}

fn finess(text: &str) -> Target {
    Target::Finess(Finess::parse(text).unwrap())
}

fn address(text: &str) -> Target {
    Target::Address(liaison_mail::Address::parse(text).unwrap())
}

fn rpps(text: &str) -> Target {
    Target::Rpps(Rpps::parse(text).unwrap())
}

fn patient() -> PatientKey {
    PatientKey::Local {
        facility: "CH-TEST".to_owned(),
        ipp: "900123".to_owned(),
    }
}

fn circle() -> CareCircle {
    let mut circle = CareCircle::default();
    let home = CareMember {
        name: Some("EHPAD Les Tilleuls, Ville-Essai".to_owned()),
        ..member(Role::NursingHome, finess("009400777"))
    };
    circle.insert(patient(), home);
    circle.insert(
        patient(),
        member(Role::HomeNurse, address("idel@cabinet.test")),
    );
    circle.insert(
        patient(),
        member(Role::Pharmacy, address("officine@pharmacie.test")),
    );
    circle.insert(
        patient(),
        member(Role::Coordination, address("dac@territoire.test")),
    );
    circle
}

/// A message, field by field.
#[derive(Clone, Debug)]
struct Adt {
    trigger: &'static str,
    movement: &'static str,
    action: &'static str,
    original: &'static str,
    historic: &'static str,
    effective: &'static str,
    recorded: &'static str,
    planned: &'static str,
    class: &'static str,
    circumstance: &'static str,
    destination: &'static str,
    expected: &'static str,
    modes: &'static str,
    ipp: &'static str,
    dead: &'static str,
    status: &'static str,
    doctor: bool,
    site: &'static str,
    unit: &'static str,
    until: &'static str,
    merged: &'static str,
    dossier: &'static str,
}

impl Adt {
    /// An insertion on Thursday 19 November 2026 at 14:00, typed in at 14:05.
    fn new(trigger: &'static str, movement: &'static str) -> Adt {
        Adt {
            trigger,
            movement,
            action: "INSERT",
            original: "",
            historic: "N",
            effective: "20261119140000",
            recorded: "20261119140500",
            planned: "",
            class: "I",
            circumstance: "",
            destination: "",
            expected: "",
            modes: "",
            ipp: "900123",
            dead: "",
            status: "VALI",
            doctor: false,
            site: "009400001",
            unit: "3120",
            until: "",
            merged: "",
            dossier: "26004711",
        }
    }

    fn text(&self) -> String {
        let Adt {
            trigger,
            recorded,
            planned,
            effective,
            ipp,
            dead,
            status,
            class,
            ..
        } = self;
        let Adt {
            circumstance,
            destination,
            expected,
            modes,
            site,
            unit,
            until,
            merged,
            dossier,
            ..
        } = self;
        let mut text = format!(
            "MSH|^~\\&|GAM|CH-TEST|LIAISON|CH-TEST|{recorded}||ADT^{trigger}|1|P|2.5^FRA^2.11||||||UNICODE UTF-8\n\
             EVN||{recorded}|{planned}|||{effective}\n\
             PID|1||{ipp}^^^CH-TEST^PI~000000000000191^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS||ESSAI^OCTAVIE^^^Mme^^L~FICTIVE^OCTAVIE^^^Mme^^D||19380512|F||||||||||{dossier}||||||||||||{dead}||{status}\n"
        );
        if self.doctor {
            text.push_str("ROL||UC|ODRP|00000000011^GARANCE^CLAIRE^^^^^^ASIP-SANTE-PS&1.2.250.1.71.4.2.1&ISO^L^^^RPPS\n");
        }
        text.push_str(&format!(
            "PV1|1|{class}|{unit}^^^CH-TEST&{site}||||||||||||||||26004711-1|||||||||||||||||{circumstance}|{destination}\n\
             PV2|||||||||{expected}||||||||||||||||||||||||||||||||||||||{until}\n"
        ));
        if !merged.is_empty() {
            text.push_str(&format!("MRG|{merged}^^^CH-TEST^PI||{dossier}\n"));
        }
        if !self.movement.is_empty() {
            let Adt {
                movement,
                action,
                historic,
                original,
                ..
            } = self;
            text.push_str(&format!(
                "ZBE|{movement}^CH-TEST|{effective}||{action}|{historic}|{original}|PSYCHIATRIE ADULTE^^^^^^UF^^^{unit}\n"
            ));
        }
        text.push_str(&format!("ZFM|{modes}\n"));
        text
    }

    fn cancel(&self, trigger: &'static str) -> Adt {
        Adt {
            trigger,
            original: self.trigger,
            action: "CANCEL",
            ..self.clone()
        }
    }

    fn update(&self) -> Adt {
        Adt {
            trigger: "Z99",
            original: self.trigger,
            action: "UPDATE",
            ..self.clone()
        }
    }
}

fn a01() -> Adt {
    Adt {
        effective: "20261116143000",
        recorded: "20261116143512",
        modes: "8||7||5",
        doctor: true,
        ..Adt::new("A01", "M1")
    }
}

fn a16() -> Adt {
    Adt {
        effective: "20261124110000",
        recorded: "20261119101500",
        planned: "20261124110000",
        destination: "009400777",
        ..Adt::new("A16", "M3")
    }
}

fn return_to_nursing_home() -> Adt {
    Adt {
        destination: "009400777",
        modes: "|8||7",
        ..Adt::new("A03", "M4")
    }
}

fn discharge_home() -> Adt {
    Adt {
        modes: "|8",
        ..Adt::new("A03", "M4")
    }
}

fn transfer() -> Adt {
    Adt {
        modes: "|7||4",
        destination: "009400999",
        ..Adt::new("A03", "M4")
    }
}

fn against_advice() -> Adt {
    Adt {
        modes: "|4",
        circumstance: "4",
        ..Adt::new("A03", "M4")
    }
}

fn death() -> Adt {
    Adt {
        modes: "|9",
        dead: "Y",
        ..Adt::new("A03", "M4")
    }
}
