//! The main job, from a hospital's HL7 feed to the nursing home's mail client and back. The one
//! test to read first.

use std::time::{Duration, Instant};

use liaison_tests::Territory;
use liaison_tests::mllp::verdict;
use liaison_tests::territory::{EHPAD, WARD};
use mail_parser::MessageParser;
use serde_json::Value;

#[test]
fn a_discharge_notice_reaches_the_nursing_home() {
    let (territory, _sites) = Territory::start();
    let mut feed = territory.mllp();
    let mut nursing_home = territory.imap(EHPAD);

    // A resident is admitted on Monday; on Saturday evening she goes back, unannounced.
    let answer = feed.push(&territory.hl7("a01-admission")).unwrap();
    assert_eq!(verdict(&answer), ("CA".to_owned(), "700001".to_owned()));
    nursing_home.wait_for(1);
    let answer = feed
        .push(&territory.hl7("a03-return-to-nursing-home"))
        .unwrap();
    assert_eq!(verdict(&answer), ("CA".to_owned(), "700045".to_owned()));

    // An ordinary mail client in IDLE is told, and shows a verified notice in French.
    let notice = nursing_home.wait_for(2).pop().unwrap();
    let parsed = MessageParser::default().parse(&notice).unwrap();
    assert!(parsed.subject().unwrap().contains("Retour à l'EHPAD"));
    let verification = parsed.header_raw("X-Liaison-Verification").unwrap();
    assert_eq!(verification.trim(), "verified");
    let text = parsed.body_text(0).unwrap();
    assert!(
        text.contains("LEFEBVRE") && text.contains("ARRIVÉE"),
        "{text}"
    );

    // Delivered is not opened, and opened is not taken charge.
    wait_for_state(&territory, "delivered");
    nursing_home.ok("UID FETCH 2 (BODY[])");
    wait_for_state(&territory, "opened");
    let reply = format!(
        "From: Nadia Roche <{EHPAD}>\r\nTo: {WARD}\r\nSubject: Re: avis\r\n\
         In-Reply-To: <{}>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nARRIVÉE\r\n",
        parsed.message_id().unwrap()
    );
    let reply = territory.smtp(EHPAD).submit(EHPAD, &[WARD], &reply);
    assert!(reply.starts_with("250"), "{reply}");
    let recipient = wait_for_state(&territory, "taken_charge");
    assert_eq!(recipient["detail"], "arrivée confirmée (Nadia Roche)");
}

/// Waits until the hospital's ledger says that the nursing home's copy has come this far. Each
/// look runs `liaison track`, which is the pause between them.
fn wait_for_state(territory: &Territory, state: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let reached = territory
            .track("hospital")
            .into_iter()
            .filter(|message| message["title"] == "Retour à l'EHPAD")
            .flat_map(|message| message["recipients"].as_array().unwrap().clone())
            .find(|recipient| recipient["address"] == EHPAD && recipient["state"] == state);
        match reached {
            Some(recipient) => return recipient,
            None => assert!(Instant::now() < deadline, "never {state}"),
        }
    }
}
