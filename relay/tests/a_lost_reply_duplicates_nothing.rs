//! The peer has the message, its 250 is lost on the way: the sender offers the message again, and
//! the peer recognises it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::territory;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use liaison_mail::port::Carriage;
use liaison_relay::State;
use territory::{Territory, envelope, hand_over, sealed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// After so many octets of the sender's, the peer's words no longer get through: the content is
/// under way, so only the answer to it is left to say.
const TALKATIVE: usize = 200 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_duplicates_nothing() {
    let territory = Territory::new();
    let mut hospital = territory.site("ch.test");
    let mut home = territory.site("ehpad.test");
    let sender = hospital.start().await;
    let receiver = home.start().await;
    let cut = Arc::new(Notify::new());
    home.settings.listen = proxy(home.settings.listen, Arc::clone(&cut)).await;
    home.list();

    let sent = envelope("n1", "avis@ch.test", &["soins@ehpad.test"]);
    let message = sealed("n1", 300 * 1024);
    hand_over(&sender, sent.clone(), message.clone()).await;
    assert!(
        home.gateway
            .arrival()
            .await
            .message
            .whole()
            .unwrap()
            .ends_with(&message)
    );
    cut.notify_one();

    loop {
        match hospital.gateway.news().await {
            (_, _, Carriage::Delayed(_)) => {}
            (id, _, carriage) => {
                assert_eq!((id, carriage), (sent.id.clone(), Carriage::Relayed));
                break;
            }
        }
    }
    let attempts = sender
        .trace(&sent.id)
        .await
        .unwrap()
        .last()
        .unwrap()
        .attempt;
    assert!(attempts >= 2, "the reply was not lost");
    let steps = receiver.trace(&sent.id).await.unwrap();
    let states: Vec<State> = steps.iter().map(|step| step.state).collect();
    assert_eq!(states, [State::Queued, State::Active, State::Delivered]);
    hospital.gateway.report().await;
    hospital.stop(sender).await;
    home.stop(receiver).await;
    assert!(
        home.gateway.is_quiet().await,
        "the message was delivered twice"
    );
    assert!(
        hospital.gateway.is_quiet().await,
        "the delivery was reported twice"
    );
}

/// Passes octets both ways. The first connection falls silent towards the sender in mid-content
/// and is cut when told; the later ones work.
async fn proxy(to: SocketAddr, cut: Arc<Notify>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut first = true;
        while let Ok((sender, _)) = listener.accept().await {
            let (from_sender, to_sender) = sender.into_split();
            let (from_peer, to_peer) = TcpStream::connect(to).await.unwrap().into_split();
            let silent = Arc::new(AtomicBool::new(false));
            let mark = first.then(|| Arc::clone(&silent));
            let there = tokio::spawn(pass(from_sender, to_peer, mark, Arc::default()));
            let back = tokio::spawn(pass(from_peer, to_sender, None, silent));
            if std::mem::take(&mut first) {
                let cut = Arc::clone(&cut);
                tokio::spawn(async move {
                    cut.notified().await;
                    there.abort();
                    back.abort();
                });
            }
        }
    });
    address
}

/// Passes octets on until the end, or drops them while `silent`; sets `mark` once it has passed
/// [`TALKATIVE`] octets.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mark: Option<Arc<AtomicBool>>,
    silent: Arc<AtomicBool>,
) {
    let mut passed = 0;
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        passed += count;
        if let (Some(mark), true) = (&mark, passed > TALKATIVE) {
            mark.store(true, Ordering::SeqCst);
        }
        if !silent.load(Ordering::SeqCst) && to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
