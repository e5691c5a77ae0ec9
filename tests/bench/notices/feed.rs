//! A made-up feed: stays of people who do not exist, each with its movements in order.
//!
//! Nine stays of ten are what fills a hospital's feed and tells nobody: séances, consultations,
//! moves between beds. The tenth is a hospitalisation: its family doctor is told of the entry, of
//! the planned discharge and of the discharge.

/// Messages of one stay.
pub(crate) const PER_STAY: usize = 10;

/// The messages of a stay, in order, as they stand in the frame.
pub(crate) fn stay(number: usize) -> Vec<String> {
    let movements = match number % 10 {
        0 => [
            "A01", "A31", "A02", "A54", "Z99", "A02", "A16", "A31", "A02", "A03",
        ],
        _ => [
            "A04", "A31", "A02", "A31", "Z99", "A02", "A54", "A31", "A02", "A03",
        ],
    };
    let class = if number.is_multiple_of(10) { "I" } else { "R" };
    (0..)
        .zip(movements)
        .map(|(step, trigger)| message(number, step, (trigger, class)))
        .collect()
}

/// A resident of the EHPAD goes back there.
pub(crate) fn urgent_return(number: usize) -> String {
    let stay = format!("U{number:06}");
    [
        header("A03", &format!("U{number:06}"), "20261121214104"),
        "EVN||20261121214104||||20261121203000".to_owned(),
        person(900_000 + number),
        format!("PV1|1|I|3120^GER2^05^CH-VALOMBRE&000000001&L|R|||||||||||||||{stay}-1^^^CH-VALOMBRE&000000001&L^VN|||||||||||||||||3|000000777||||D|||20261116143000|20261121203000"),
        format!("ZBE|UM{number}^CH-VALOMBRE^000000001^L|20261121203000||INSERT|N||{UNIT}|{UNIT}|HMS"),
        "ZFM||8||7".to_owned(),
        String::new(),
    ]
    .join("\r")
}

const UNIT: &str = "GERIATRIE COURT SEJOUR^^^^^CH-VALOMBRE&000000001&L^UF^^^3120";

fn message(number: usize, step: usize, (trigger, class): (&str, &str)) -> String {
    let at = format!("202611{:02}{:02}3000", 10 + step, 8 + number % 10);
    let control = format!("{}", 1_000_000 + number * PER_STAY + step);
    // A correction is of the move before it.
    let (movement, action, original) = match trigger {
        "Z99" => (step - 2, "UPDATE", "A02"),
        _ => (step, "INSERT", ""),
    };
    let mut segments = vec![
        header(trigger, &control, &at),
        match trigger {
            "A16" => format!("EVN||{at}|20261120110000|||"),
            _ => format!("EVN||{at}||||{at}"),
        },
        person(number),
    ];
    if matches!(trigger, "A01" | "A04") {
        segments.push("ROL||UC|ODRP|00000000011^GARNIER^CLAIRE^^^^^^ASIP-SANTE-PS&1.2.250.1.71.4.2.1&ISO^L^^^RPPS".to_owned());
    }
    if trigger != "A31" {
        segments.push(format!("PV1|1|{class}|3120^GER2^0{step}^CH-VALOMBRE&000000001&L|R|||||||||||||||2{number:07}-1^^^CH-VALOMBRE&000000001&L^VN|||||||||||||||||||||||||20261110083000"));
        if trigger == "A16" {
            segments.push("PV2|||||||||20261120110000".to_owned());
        }
        segments.push(format!("ZBE|M{number}-{movement}^CH-VALOMBRE^000000001^L|{at}||{action}|N|{original}|{UNIT}|{UNIT}|HMS"));
        segments
            .push("ZFA|ACTIF|20261110083000|||||||INO|20261110083000|IC|20261110083000".to_owned());
        if trigger == "A03" {
            segments.push("ZFM||8".to_owned());
        }
    }
    segments.push(String::new());
    segments.join("\r")
}

fn header(trigger: &str, control: &str, at: &str) -> String {
    format!(
        "MSH|^~\\&|GAM|CH-VALOMBRE|LIAISON|CH-VALOMBRE|{at}||ADT^{trigger}^ADT_A01|{control}|P|2.5^FRA^2.11|||AL|NE|FRA|8859/15|FR||2.11^IHE_FRANCE-2.11-PAM"
    )
}

/// The name says which stay it is, so that a reader of the subjects can tell them apart.
fn person(number: usize) -> String {
    let name = letters(number);
    format!(
        "PID|1||8{number:06}^^^CH-VALOMBRE&000000001&L^PI~2380599{number:08}^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS||ESSAI{name}^OCTAVIE^OCTAVIE MARIE^^Mme^^L~FICTIVE^OCTAVIE^^^Mme^^D||19380512|F|||12 RUE DES LILAS^RESIDENCE^VALOMBRE^^99000^FRA^H~^^VALOMBRE^^^FRA^BDL^^99028|||||||2{number:07}^^^CH-VALOMBRE&000000001&L^AN||||||||||||||VALI"
    )
}

/// A number in letters.
pub(crate) fn letters(mut number: usize) -> String {
    let mut text = String::new();
    for _ in 0..6 {
        // At most 25: a letter.
        text.push(char::from(b'A' + u8::try_from(number % 26).unwrap_or(0)));
        number /= 26;
    }
    text
}
