//! SMTP smuggling: whatever looks like an end of content to somebody else is content here, and
//! spoils it; nothing behind it is taken as a second message.

use crate::support;

use liaison_smtp::server::Role;
use support::{Dialogue, settings, start};

const FORMS: [&str; 14] = [
    "\n.\n",
    "\n.\r\n",
    "\r\n.\n",
    "\r.\r",
    "\r.\r\n",
    "\r\n.\r",
    "\n.\r",
    "\r.\n",
    "\r\n.\r\r\n",
    "\r\r\n.\r\r\n",
    "\n\n.\r\n",
    "\n\r.\r\n",
    "\r\n.\n\r\n",
    "\r\n\0.\n",
];

#[tokio::test]
async fn the_second_message_never_arrives() {
    for form in FORMS {
        let (stream, taken, _serving) = start(settings(Role::Relay));
        let mut peer = Dialogue::greeted(stream).await;
        peer.ask("MAIL FROM:<a@ch.test>", "250 ").await;
        peer.ask("RCPT TO:<idel@ehpad.test>", "250 ").await;
        peer.ask("DATA", "354 ").await;
        let smuggled = format!(
            "Subject: one\r\n\r\nfirst{form}MAIL FROM:<b@ch.test>\r\nRCPT TO:<idel@ehpad.test>\r\n\
             DATA\r\nSubject: two\r\n\r\nsecond\r\n.\r\n"
        );
        peer.send(smuggled.as_bytes()).await;
        peer.expect("554 5.6.0").await;
        peer.ask("QUIT", "221 ").await;
        peer.expect_close().await;
        assert!(
            taken.lock().unwrap().is_empty(),
            "{form:?} brought a message"
        );
    }
}

#[tokio::test]
async fn the_connection_goes_on_after_a_spoilt_message() {
    let (stream, taken, _serving) = start(settings(Role::Relay));
    let mut peer = Dialogue::greeted(stream).await;
    for (content, answer) in [("a\nb", "554 5.6.0"), ("a\r\nb", "250 ")] {
        peer.ask("MAIL FROM:<a@ch.test>", "250 ").await;
        peer.ask("RCPT TO:<idel@ehpad.test>", "250 ").await;
        peer.ask("DATA", "354 ").await;
        peer.ask(&format!("{content}\r\n."), answer).await;
    }
    assert_eq!(taken.lock().unwrap().len(), 1);
}
