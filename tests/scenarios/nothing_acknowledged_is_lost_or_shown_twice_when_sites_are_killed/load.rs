//! What goes in through the doors, each thing under a word that nothing else bears, and how its
//! readers' mailboxes show it.

use liaison_tests::territory::{DOCTOR, EHPAD, NURSE, PHARMACY, REPORTS, WARD};
use mail_parser::MessageParser;

use super::PEOPLE;

/// A message for the feed: the notice that follows and for whom.
pub(crate) struct Event {
    pub(crate) text: String,
    pub(crate) key: String,
    pub(crate) recipients: &'static [&'static str],
}

/// A mail with its recipients, and what each of them will see.
pub(super) struct Letter {
    pub(super) from: &'static str,
    pub(super) to: Vec<&'static str>,
    pub(super) text: String,
    /// Who sees what: the author of a report gets a receipt, for example.
    pub(super) shown: Vec<(&'static str, String)>,
    /// The notice (number, reader) that this reply takes charge of.
    pub(super) charge: Option<(String, String)>,
}

/// A notice that somebody has read and may answer.
pub(super) struct Read {
    pub(super) by: &'static str,
    pub(super) message_id: String,
    pub(super) number: String,
}

/// What names a message: the token in its subject, or in the report that it answers.
pub(super) fn key_of(message: &[u8]) -> String {
    let parsed = MessageParser::default().parse(message).unwrap();
    let subject = parsed.subject().unwrap_or_default();
    let answered = parsed.in_reply_to().as_text().unwrap_or_default();
    let token = |text: &str| {
        text.split(|c: char| !c.is_ascii_uppercase())
            .find(|word| word.starts_with("ZQ"))
            .map(str::to_owned)
    };
    let kind = match subject {
        subject if subject.contains("Entrée à l'hôpital") => "entrée ",
        subject if subject.contains("Retour à l'EHPAD") => "retour ",
        subject if token(subject).is_none() => "accusé ",
        _ => "",
    };
    match token(subject).or_else(|| token(answered)) {
        Some(token) => format!("{kind}{token}"),
        None => format!("unknown « {subject} »"),
    }
}

/// A word of capitals that nothing else contains.
pub(super) fn token(number: usize) -> String {
    let letter = |power: usize| char::from(b'A' + (number / 26_usize.pow(power as u32) % 26) as u8);
    format!("ZQ{}{}{}{}", letter(3), letter(2), letter(1), letter(0))
}

/// Patients' names come from the end of the alphabet's numbers, letters' from the start.
fn name(patient: usize) -> String {
    token(26_usize.pow(4) - 1 - patient)
}

pub(crate) fn ipp(patient: usize) -> String {
    format!("7{patient:05}")
}

pub(crate) fn admission(patient: usize) -> Event {
    Event {
        text: adt(
            patient,
            ("A01", "INSERT"),
            "20261121143000",
            "",
            "ZFM|8||7||5",
        ),
        key: format!("entrée {}", name(patient)),
        recipients: &[DOCTOR, EHPAD, NURSE],
    }
}

pub(crate) fn discharge(patient: usize) -> Event {
    Event {
        text: adt(
            patient,
            ("A03", "INSERT"),
            "20261121203000",
            "20261121203000",
            "ZFM||8||7",
        ),
        key: format!("retour {}", name(patient)),
        recipients: &[DOCTOR, EHPAD, NURSE, PHARMACY],
    }
}

/// PAM-FR 2.11, as the demo's feed writes it.
fn adt(
    patient: usize,
    (trigger, action): (&str, &str),
    at: &str,
    left: &str,
    mode: &str,
) -> String {
    let (ipp, name) = (ipp(patient), name(patient));
    let unit = "GERIATRIE^^^^^CH-VALOMBRE&000000001&L^UF^^^3120";
    let code = if left.is_empty() { "" } else { "3" };
    [
        &format!("MSH|^~\\&|GAM|CH-VALOMBRE|LIAISON|CH-VALOMBRE|{at}||ADT^{trigger}^ADT_{trigger}|{trigger}{ipp}|P|2.5^FRA^2.11|||AL|NE|FRA|8859/15|FR||2.11^IHE_FRANCE-2.11-PAM"),
        &format!("EVN||{at}||||{at}"),
        &format!("PID|1||{ipp}^^^CH-VALOMBRE&000000001&L^PI||{name}^JEANNE^^^Mme^^L||19380512|F|||12 RUE DES LILAS^^VALOMBRE^^99000^FRA^H|||||||26{ipp}^^^CH-VALOMBRE&000000001&L^AN||||||||||||||VALI"),
        "ROL||UC|ODRP|00000000011^GARNIER^CLAIRE^^^^^^ASIP-SANTE-PS&1.2.250.1.71.4.2.1&ISO^L^^^RPPS",
        &format!("PV1|1|I|3120^GER2^05^CH-VALOMBRE&000000001&L|R|||||||||||||||26{ipp}-1^^^CH-VALOMBRE&000000001&L^VN|||||||||||||||||{code}||||||||20261121143000|{left}"),
        &format!("ZBE|{trigger}{ipp}^CH-VALOMBRE^000000001^L|{at}||{action}|N||{unit}|{unit}|HMS"),
        mode,
    ]
    .map(|segment| format!("{segment}\r"))
    .concat()
}

pub(super) fn letter(dice: &mut Dice, token: &str) -> Letter {
    let from = PEOPLE[dice.below(PEOPLE.len())];
    let others: Vec<_> = PEOPLE.into_iter().filter(|one| *one != from).collect();
    let mut to = vec![others[dice.below(others.len())]];
    let second = others[dice.below(others.len())];
    let mut blind = Vec::new();
    if second != to[0] {
        match dice.below(4) {
            0 => blind.push(second),
            1 => to.push(second),
            _ => {}
        }
    }
    mail(dice, (from, to, blind), token)
}

pub(super) fn mail(
    dice: &mut Dice,
    (from, to, blind): (&'static str, Vec<&'static str>, Vec<&'static str>),
    token: &str,
) -> Letter {
    // Some are kept beside the database rather than in it.
    let lines = if dice.below(6) == 0 { 2700 } else { 3 };
    let body = format!("{}\r\n", "x".repeat(74)).repeat(lines);
    let text = written(
        from,
        &to.join(", "),
        token,
        &format!("Lettre {token}"),
        &body,
    );
    let to: Vec<_> = to.into_iter().chain(blind).collect();
    Letter {
        from,
        shown: to
            .iter()
            .map(|reader| (*reader, token.to_owned()))
            .collect(),
        to,
        text,
        charge: None,
    }
}

pub(super) fn reply(notice: Read, token: &str) -> Letter {
    let subject = format!("Re: {token}\r\nIn-Reply-To: <{}>", notice.message_id);
    Letter {
        from: notice.by,
        to: vec![WARD],
        text: written(notice.by, WARD, token, &subject, "PRIS EN CHARGE\r\n"),
        shown: vec![(WARD, token.to_owned())],
        charge: Some((notice.number, notice.by.to_owned())),
    }
}

pub(super) fn report(token: &str) -> Letter {
    Letter {
        from: PHARMACY,
        to: vec![REPORTS],
        text: written(
            PHARMACY,
            REPORTS,
            token,
            "Erreur",
            "5 mg au lieu de 2,5 mg.\r\n",
        ),
        shown: vec![(PHARMACY, format!("accusé {token}"))],
        charge: None,
    }
}

fn written(from: &str, to: &str, token: &str, subject: &str, body: &str) -> String {
    let domain = from.rsplit('@').next().unwrap();
    format!(
        "From: <{from}>\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{token}@{domain}>\r\n\
         Date: Sat, 21 Nov 2026 20:30:00 +0100\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n{body}"
    )
}

/// SplitMix64: the same numbers for the same seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// From 0 to one less than `most`.
    pub(super) fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % most as u64) as usize
    }
}
