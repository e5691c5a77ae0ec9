//! What the hospital's information system pushes in the demo: PAM-FR 2.11 over MLLP.
//!
//! The patients do not exist: the INS has the test OID (…4.10), département 99 and a wrong check
//! key; RPPS and FINESS begin with 00.

use std::time::Duration;

use liaison_relay::settings::Schedule;

/// RPPS of Dr Claire GARNIER.
pub(super) const FAMILY_DOCTOR: &str = "00000000011";
/// RPPS of Luc MOREL, IDEL.
pub(super) const HOME_NURSE: &str = "00000000022";
/// FINESS of the EHPAD Les Tilleuls.
pub(super) const NURSING_HOME: &str = "000000777";
/// FINESS of the Pharmacie de la Halle.
pub(super) const PHARMACY: &str = "000000888";

/// Who looks after the two patients besides their family doctor: the hospital's own file.
pub(super) const CARE_CIRCLES: &str = r#"# Who looks after whom. Patient data: it stays at the hospital.
[[patient]]
facility = "CH-VALOMBRE"
ipp = "900123"

[[patient.member]]
role = "nursing_home"
target = { finess = "000000777" }
name = "EHPAD LES TILLEULS, Valombre"

[[patient.member]]
role = "home_nurse"
target = { rpps = "00000000022" }

[[patient]]
facility = "CH-VALOMBRE"
ipp = "900456"

[[patient.member]]
role = "home_nurse"
target = { rpps = "00000000022" }
care_prescribed = true

[[patient.member]]
role = "pharmacy"
target = { finess = "000000888" }

[[patient.member]]
role = "coordination"
target = { address = "coordination@dac-valombre.test" }
"#;

/// The hospital's rules: those of the project, but nothing waits, so that a day passes in seconds.
pub(super) const RULES: &str = r#"# What this hospital does otherwise.
storm = 0       # the demo and the tests push a year in an hour

[wait]          # seconds before a notice leaves; by default 180, 60 and 0
entry = 0
exit = 0
exit_after_hours = 0
"#;

/// Retries in seconds rather than minutes: a demo's relay that was stopped is back at once.
pub(super) fn impatient_schedule() -> Schedule {
    Schedule {
        first_retry: Duration::from_millis(500),
        longest_retry: Duration::from_secs(5),
        ..Schedule::default()
    }
}

/// Mme LEFEBVRE, who lives in the EHPAD, is admitted on a Monday through the emergency ward.
pub(super) fn admission() -> String {
    message(
        &Header::new("A01", "700001", "20261116143512", "20261116143000"),
        LEFEBVRE,
        &[
            &format!(
                "ROL||UC|ODRP|{FAMILY_DOCTOR}^GARNIER^CLAIRE^^^^^^ASIP-SANTE-PS&1.2.250.1.71.4.2.1&ISO^L^^^RPPS"
            ),
            "PV1|1|I|3120^GER2^05^CH-VALOMBRE&000000001&L|R|||||||||||||||26004711-1^^^CH-VALOMBRE&000000001&L^VN|||||||||||||||||||||||||20261116143000",
            "ZBE|M1^CH-VALOMBRE^000000001^L|20261116143000||INSERT|N||GERIATRIE COURT SEJOUR^^^^^CH-VALOMBRE&000000001&L^UF^^^3120|GERIATRIE COURT SEJOUR^^^^^CH-VALOMBRE&000000001&L^UF^^^3120|HMS",
            "ZFM|8||7||5",
        ],
    )
}

/// Her discharge is planned for Friday at 11:00.
pub(super) fn planned_discharge() -> String {
    message(
        &Header::new("A16", "700020", "20261119100500", "20261120110000"),
        LEFEBVRE,
        &[
            "PV1|1|I|3120^GER2^05^CH-VALOMBRE&000000001&L|R|||||||||||||||26004711-1^^^CH-VALOMBRE&000000001&L^VN||||||||||||||||||000000777|||||||20261116143000",
            "PV2|||||||||20261120110000",
            "ZBE|M3^CH-VALOMBRE^000000001^L|20261119100500||INSERT|N||GERIATRIE COURT SEJOUR^^^^^CH-VALOMBRE&000000001&L^UF^^^3120|GERIATRIE COURT SEJOUR^^^^^CH-VALOMBRE&000000001&L^UF^^^3120|HMS",
        ],
    )
}

/// She leaves on Saturday evening after all: typed at 21:41, with the letter still missing.
pub(super) fn discharge() -> String {
    message(
        &Header::new("A03", "700045", "20261121214104", "20261121203000"),
        LEFEBVRE,
        &[
            "PV1|1|I|3120^GER2^05^CH-VALOMBRE&000000001&L|R|||||||||||||||26004711-1^^^CH-VALOMBRE&000000001&L^VN|||||||||||||||||3|000000777||||D|||20261116143000|20261121203000",
            "ZBE|M4^CH-VALOMBRE^000000001^L|20261121203000||INSERT|N||GERIATRIE COURT SEJOUR^^^^^CH-VALOMBRE&000000001&L^UF^^^3120|GERIATRIE COURT SEJOUR^^^^^CH-VALOMBRE&000000001&L^UF^^^3120|HMS",
            "ZFM||8||7",
        ],
    )
}

/// M. BERNIER is admitted, with care at home prescribed.
pub(super) fn second_admission() -> String {
    message(
        &Header::new("A01", "700050", "20261121180210", "20261121180000"),
        BERNIER,
        &[
            &format!(
                "ROL||UC|ODRP|{FAMILY_DOCTOR}^GARNIER^CLAIRE^^^^^^ASIP-SANTE-PS&1.2.250.1.71.4.2.1&ISO^L^^^RPPS"
            ),
            "PV1|1|I|2200^CHIR1^02^CH-VALOMBRE&000000001&L|R|||||||||||||||26004822-1^^^CH-VALOMBRE&000000001&L^VN|||||||||||||||||||||||||20261121180000",
            "ZBE|M1^CH-VALOMBRE^000000001^L~M101^CH-VALOMBRE^000000001^L|20261121180000||INSERT|N||CHIRURGIE^^^^^CH-VALOMBRE&000000001&L^UF^^^2200|CHIRURGIE^^^^^CH-VALOMBRE&000000001&L^UF^^^2200|HMS",
            "ZFM|8||||",
        ],
    )
}

/// He is said to go home.
pub(super) fn second_discharge() -> String {
    message(
        &Header::new("A03", "700052", "20261121215900", "20261121215500"),
        BERNIER,
        &[
            "PV1|1|I|2200^CHIR1^02^CH-VALOMBRE&000000001&L|R|||||||||||||||26004822-1^^^CH-VALOMBRE&000000001&L^VN|||||||||||||||||3|||||D|||20261121180000|20261121215500",
            "ZBE|M104^CH-VALOMBRE^000000001^L|20261121215500||INSERT|N||CHIRURGIE^^^^^CH-VALOMBRE&000000001&L^UF^^^2200|CHIRURGIE^^^^^CH-VALOMBRE&000000001&L^UF^^^2200|HMS",
            "ZFM||8||",
        ],
    )
}

/// A mistake: he stays. Everybody who was told hears of it.
pub(super) fn second_discharge_cancelled() -> String {
    message(
        &Header::new("A13", "700053", "20261121220500", "20261121220500"),
        BERNIER,
        &[
            "PV1|1|I|2200^CHIR1^02^CH-VALOMBRE&000000001&L|R|||||||||||||||26004822-1^^^CH-VALOMBRE&000000001&L^VN|||||||||||||||||||||||||20261121180000",
            "ZBE|M104^CH-VALOMBRE^000000001^L|20261121215500||CANCEL|N|A03|CHIRURGIE^^^^^CH-VALOMBRE&000000001&L^UF^^^2200|CHIRURGIE^^^^^CH-VALOMBRE&000000001&L^UF^^^2200|HMS",
        ],
    )
}

/// The messages that the demo leaves in a folder to be pushed by hand.
pub(super) fn samples() -> [(&'static str, String); 6] {
    [
        ("a01-admission.hl7", admission()),
        ("a16-planned-discharge.hl7", planned_discharge()),
        ("a03-return-to-nursing-home.hl7", discharge()),
        ("a01-admission-2.hl7", second_admission()),
        ("a03-discharge-home.hl7", second_discharge()),
        ("a13-discharge-cancelled.hl7", second_discharge_cancelled()),
    ]
}

const LEFEBVRE: &str = "PID|1||900123^^^CH-VALOMBRE&000000001&L^PI~238059902812300^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS||LEFEBVRE^JEANNE^JEANNE MARIE^^Mme^^L~MARTIN^JEANNE^^^Mme^^D||19380512|F|||12 RUE DES LILAS^EHPAD LES TILLEULS^VALOMBRE^^99000^FRA^H|||||||26004711^^^CH-VALOMBRE&000000001&L^AN||||||||||||||VALI";
const BERNIER: &str = "PID|1||900456^^^CH-VALOMBRE&000000001&L^PI~155029902812300^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS||BERNIER^ALAIN^ALAIN^^M.^^L||19550203|M|||3 QUAI DE LA RIVIERE^^VALOMBRE^^99000^FRA^H|||||||26004822^^^CH-VALOMBRE&000000001&L^AN||||||||||||||VALI";

struct Header<'a> {
    trigger: &'a str,
    control_id: &'a str,
    sent_at: &'a str,
    occurred_at: &'a str,
}

impl<'a> Header<'a> {
    fn new(trigger: &'a str, control_id: &'a str, sent_at: &'a str, occurred_at: &'a str) -> Self {
        Self {
            trigger,
            control_id,
            sent_at,
            occurred_at,
        }
    }
}

fn message(header: &Header<'_>, patient: &str, rest: &[&str]) -> String {
    let Header {
        trigger,
        control_id,
        sent_at,
        occurred_at,
    } = header;
    // A planned event stands in EVN-3, one that happened in EVN-6 (PAM-FR 2.11, EVN).
    let event = match *trigger {
        "A16" => format!("EVN||{sent_at}|{occurred_at}|||"),
        _ => format!("EVN||{sent_at}||||{occurred_at}"),
    };
    let head = format!(
        "MSH|^~\\&|GAM|CH-VALOMBRE|LIAISON|CH-VALOMBRE|{sent_at}||ADT^{trigger}^ADT_{structure}|{control_id}|P|2.5^FRA^2.11|||AL|NE|FRA|8859/15|FR||2.11^IHE_FRANCE-2.11-PAM",
        structure = match *trigger {
            "A13" => "A01",
            other => other,
        },
    );
    let mut message = format!("{head}\r{event}\r{patient}\r");
    for segment in rest {
        message.push_str(segment);
        message.push('\r');
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use liaison_hl7::adt::AdtEvent;
    use liaison_hl7::er7::Message;

    #[test]
    fn every_sample_is_a_message_that_the_gateway_takes() {
        for (name, text) in samples() {
            let message = Message::parse(text.as_bytes()).expect(name);
            let event = AdtEvent::parse(&message).expect(name);
            assert!(event.visit.is_some(), "{name}");
            assert!(event.movement.is_some(), "{name}");
        }
    }
}
