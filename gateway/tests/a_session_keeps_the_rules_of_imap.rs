//! A raw dialogue: what each state permits, what is announced, and how bad input is answered.

use crate::site;

use site::{MESSAGE, PASSWORD, Site, USER};

#[tokio::test(flavor = "multi_thread")]
async fn logging_in_takes_every_form_that_is_announced() {
    let site = Site::start().await;
    let mut one = site.dialogue().await;
    let refused = one.command("SELECT INBOX").await;
    assert_eq!(refused, "a BAD Log in first\r\n");
    one.send(format!("a LOGIN {{{}}}\r\n", USER.len()).as_bytes())
        .await;
    assert_eq!(one.line().await, "+ OK\r\n");
    one.send(format!("{USER} {{{}+}}\r\n{PASSWORD}\r\n", PASSWORD.len()).as_bytes())
        .await;
    let login = one.line().await;
    assert!(
        login.contains("[CAPABILITY IMAP4rev1 ") && login.contains(" IDLE "),
        "{login}"
    );
    assert!(one.command("LOGIN a b").await.starts_with("a BAD"));

    // "\0ide\0mot-de-passe-1" in base64.
    let plain = "AGlkZQBtb3QtZGUtcGFzc2UtMQ==";
    let mut two = site.dialogue().await;
    let answer = two.command(&format!("AUTHENTICATE PLAIN {plain}")).await;
    assert!(answer.starts_with("a OK"), "{answer}");
    let mut three = site.dialogue().await;
    three.send(b"a AUTHENTICATE PLAIN\r\n").await;
    assert_eq!(three.line().await, "+ \r\n");
    three.send(format!("{plain}\r\n").as_bytes()).await;
    assert!(three.line().await.starts_with("a OK"));
    let mut four = site.dialogue().await;
    four.send(b"a AUTHENTICATE LOGIN\r\n").await;
    assert_eq!(four.line().await, "+ VXNlcm5hbWU6\r\n");
    four.send(b"aWRl\r\n").await;
    assert_eq!(four.line().await, "+ UGFzc3dvcmQ6\r\n");
    four.send(b"bW90LWRlLXBhc3NlLTE=\r\n").await;
    assert!(four.line().await.starts_with("a OK"));
    let mut five = site.dialogue().await;
    five.send(b"a AUTHENTICATE PLAIN\r\n").await;
    five.line().await;
    five.send(b"*\r\n").await;
    assert!(five.line().await.starts_with("a BAD"));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_gets_a_clear_answer_and_harms_nothing() {
    let site = Site::start().await;
    let mut before = site.dialogue().await;
    let wrong = before.command(&format!("LOGIN {USER} wrong")).await;
    let unknown = before.command("LOGIN nobody wrong").await;
    assert_eq!(wrong, unknown, "the answer does not tell who exists");
    assert!(wrong.starts_with("a NO [AUTHENTICATIONFAILED]"), "{wrong}");
    let large = before.command("LOGIN {5000}").await;
    assert!(large.starts_with("a BAD"), "{large}");
    before.send(&[b'x'; 10_000]).await;
    assert!(before.until("* BYE").await.contains("* BAD"));

    let mut after = site.logged_in().await;
    for command in [
        "FETCH 1 FLAGS",
        "NONSENSE",
        "SELECT",
        "SELECT \"a\" b",
        "LIST",
        "STORE 1 FLAGS (\\Seen)",
    ] {
        let answer = after.command(command).await;
        assert!(answer.starts_with("a BAD"), "{command}: {answer}");
    }
    let answer = after.command("SELECT \"Nulle part\"").await;
    assert!(answer.starts_with("a NO [NONEXISTENT]"), "{answer}");
    let answer = after.command("APPEND INBOX {36700161}").await;
    assert!(answer.starts_with("a NO [TOOBIG]"), "{answer}");
    let answer = after.command("SELECT \"&AOk\"").await;
    assert!(answer.starts_with("a BAD"), "{answer}");
    let answer = after.command("CREATE \"a\u{7f}\"").await;
    assert!(
        answer.starts_with("a BAD") || answer.starts_with("a NO"),
        "{answer}"
    );
    let deep = format!("CREATE \"{}\"", "a/".repeat(50));
    assert!(after.command(&deep).await.starts_with("a NO [CANNOT]"));
    assert!(
        after
            .command("SELECT INBOX")
            .await
            .contains("a OK [READ-WRITE]")
    );
    assert!(after.command("FETCH 1:* FLAGS").await.starts_with("a OK"));
    site.arrival("1").await;
    assert!(after.command("NOOP").await.contains("* 1 EXISTS"));
    assert!(after.command("FETCH 2 FLAGS").await.starts_with("a BAD"));
    assert!(
        after
            .command("UID FETCH 99 FLAGS")
            .await
            .starts_with("a OK")
    );
    assert!(
        after
            .command("UID COPY 99 Corbeille")
            .await
            .starts_with("a OK")
    );
    assert!(after.command("LOGOUT").await.starts_with("* BYE"));
    assert_eq!(after.line().await, "");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_marks_seen_and_is_told_to_tracking_once() {
    let site = Site::start().await;
    let uid = site.arrival("1").await.uid;
    let mut session = site.logged_in().await;
    session.command("SELECT INBOX").await;
    let peeked = session
        .command("UID FETCH 1:* (FLAGS BODY.PEEK[HEADER])")
        .await;
    assert!(!peeked.contains("\\Seen"), "{peeked}");
    assert!(site.mailboxes.openings(10).await.unwrap().is_empty());
    session
        .send(format!("a UID FETCH {uid} BODY[]\r\n").as_bytes())
        .await;
    let start = session.line().await;
    assert_eq!(
        start,
        format!("* 1 FETCH (UID {uid} BODY[] {{{}}}\r\n", MESSAGE.len())
    );
    assert_eq!(session.octets(MESSAGE.len()).await, MESSAGE);
    let rest = session.until("a ").await;
    assert!(rest.starts_with(" FLAGS (\\Seen \\Recent))\r\n"), "{rest}");
    site.mailboxes.openings_waiting().await;
    let openings = site.mailboxes.openings(10).await.unwrap();
    assert_eq!(openings.len(), 1);
    assert_eq!(openings[0].token, "token-1");
    assert_eq!(openings[0].account, USER);
    session.command("STORE 1 -FLAGS (\\Seen)").await;
    session.command("STORE 1 +FLAGS (\\Seen)").await;
    assert_eq!(site.mailboxes.openings(10).await.unwrap().len(), 1);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_moved_and_expunged_exactly_as_named() {
    let site = Site::start().await;
    for number in 1..=4 {
        site.arrival(&number.to_string()).await;
    }
    let mut session = site.logged_in().await;
    session.command("SELECT INBOX").await;
    let moved = session.command("UID MOVE 2 Corbeille").await;
    assert!(moved.contains(" 2 1] Moved\r\n* 2 EXPUNGE\r\n"), "{moved}");
    session.command("STORE 1:3 +FLAGS.SILENT (\\Deleted)").await;
    let expunged = session.command("UID EXPUNGE 3").await;
    assert_eq!(expunged, "* 2 EXPUNGE\r\na OK EXPUNGE done\r\n");
    let left = session.command("UID SEARCH DELETED").await;
    assert!(left.starts_with("* SEARCH 1 4\r\n"), "{left}");
    session.command("CLOSE").await;
    let status = session.command("STATUS INBOX (MESSAGES UIDNEXT)").await;
    assert!(
        status.starts_with("* STATUS \"INBOX\" (MESSAGES 0 UIDNEXT 5)"),
        "{status}"
    );

    // Outlook asks for an item of RFC 1730.
    session.command("SELECT Corbeille").await;
    let peeked = session
        .command("UID FETCH 1 (UID RFC822.SIZE RFC822.PEEK)")
        .await;
    assert!(
        peeked.contains(&format!("RFC822.SIZE {}", MESSAGE.len())),
        "{peeked}"
    );
    assert!(
        peeked.contains("RFC822 {") && !peeked.contains("\\Seen"),
        "{peeked}"
    );

    // A folder deleted under a session is answered with BYE.
    session.command("CREATE Dossier").await;
    session.command("SELECT Dossier").await;
    let mut other = site.logged_in().await;
    assert!(other.command("DELETE Dossier").await.starts_with("a OK"));
    assert!(session.command("NOOP").await.starts_with("* BYE"));
    site.stop().await;
}
