//! An orderly stop: an idle client hears 421, a message that is arriving is taken first.

use crate::support;

use liaison_smtp::io::{Ended, Timeouts};
use liaison_smtp::server::Role;
use support::{Dialogue, settings, start_until};
use tokio::sync::oneshot;

#[tokio::test]
async fn an_idle_client_is_told_at_once() {
    let (stop, stopped) = oneshot::channel::<()>();
    let (stream, _, serving) = start_until(settings(Role::Relay), Timeouts::default(), async {
        let _ = stopped.await;
    });
    let mut peer = Dialogue::greeted(stream).await;
    stop.send(()).unwrap();
    peer.expect("421 4.3.2").await;
    peer.expect_close().await;
    assert!(matches!(serving.await.unwrap(), Ok(Ended::Closed)));
}

#[tokio::test]
async fn a_message_that_is_arriving_is_taken_first() {
    let (stop, stopped) = oneshot::channel::<()>();
    let (stream, taken, _serving) =
        start_until(settings(Role::Relay), Timeouts::default(), async {
            let _ = stopped.await;
        });
    let mut peer = Dialogue::greeted(stream).await;
    peer.ask("MAIL FROM:<a@ch.test>", "250 ").await;
    peer.ask("RCPT TO:<idel@ehpad.test>", "250 ").await;
    peer.ask("DATA", "354 ").await;
    peer.say("first half").await;
    stop.send(()).unwrap();
    peer.say("second half").await;
    peer.ask(".", "250 2.0.0").await;
    peer.expect("421 4.3.2").await;
    peer.expect_close().await;
    assert_eq!(
        taken.lock().unwrap()[0].1.as_bytes(),
        b"first half\r\nsecond half\r\n"
    );
}
