//! A notice for a family doctor whom the directory does not list goes nowhere, is not guessed,
//! and the ward reads in its own mailbox that it did not leave. The other recipients get theirs.

use liaison_tests::Territory;
use liaison_tests::logs::{CANARY, assert_silent_about, wait_for_line};
use liaison_tests::mllp::verdict;
use liaison_tests::territory::{DOCTOR, EHPAD, WARD};
use mail_parser::MessageParser;

#[test]
fn the_ward_is_told_of_a_doctor_whom_the_directory_does_not_know() {
    let (territory, _sites) = Territory::start();
    let message = territory
        .hl7("a01-admission")
        .replace("00000000011^GARNIER^CLAIRE", "00000000099^INCONNU^ALIX")
        .replace("LEFEBVRE", CANARY);
    let answer = territory.mllp().push(&message).unwrap();
    assert_eq!(verdict(&answer), ("CA".to_owned(), "700001".to_owned()));

    let told = territory.imap(WARD).wait_for(1).pop().unwrap();
    let parsed = MessageParser::default().parse(&told).unwrap();
    assert_eq!(parsed.subject(), Some("Message non remis"));
    let text = parsed.body_text(0).unwrap();
    assert!(
        text.contains("n'a pas été remis à :")
            && text.contains("médecin traitant RPPS 00000000099")
            && text.contains("ne figure pas dans l'annuaire."),
        "{text}"
    );
    // What it says of the patient is the notice's number: the mail may be read on a telephone.
    assert!(!text.contains(CANARY), "{text}");

    let mine = territory
        .track("hospital")
        .into_iter()
        .flat_map(|message| message["recipients"].as_array().unwrap().clone())
        .find(|recipient| recipient["wanted"] == "médecin traitant RPPS 00000000099")
        .expect("the doctor's copy is in the ledger");
    assert_eq!(mine["state"], "failed");
    assert_eq!(mine["detail"], "not in the directory");
    wait_for_line(
        &territory,
        "hospital",
        "handed over to the relay",
        &[("recipients", "0"), ("stopped", "1")],
    );

    // Nobody else's copy suffers, and no doctor gets it in the place of the unknown one.
    territory.imap(EHPAD).wait_for(1);
    assert!(territory.imap(DOCTOR).messages().is_empty());
    assert_silent_about(&territory, &[]);
}
