//! Client and server state machines joined without a socket, their octets cut at random: the
//! message that comes out is the one that went in, and no cut changes an answer.
#![allow(clippy::unwrap_used, reason = "a failure here fails the scenario")]

use crate::support;

use liaison_mail::{Envelope, Verdict};
use liaison_smtp::Content;
use liaison_smtp::client::{self, Announced, Client, Framing, Outcome};
use liaison_smtp::data::{Canonical, FINAL_DOT, Stuffing};
use liaison_smtp::server::{Answer, Event, Role, Server, Settings, Step};
use proptest::prelude::*;
use support::{domain, envelope, settings};

/// Runs both machines until the client has its outcome.
fn carry(
    envelope: &Envelope,
    content: &[u8],
    cuts: &[usize],
    (chunking, pipelined): (bool, bool),
) -> (Outcome, Vec<Content>) {
    let content = Canonical::new(content).unwrap();
    let mut cuts = cuts.iter().copied().cycle();
    let mut client = Client::new(domain("relay.ch.test"));
    let mut server = Server::new(Settings {
        chunking,
        ..settings(Role::Relay)
    });
    let mut taken = Vec::new();
    let mut sent = false;
    loop {
        let mut to_server = Vec::new();
        match client.step() {
            client::Step::Output(bytes) => to_server = bytes,
            client::Step::SendContent(Framing::Dots) => {
                Stuffing::default().write(content.as_bytes(), &mut to_server);
                to_server.extend(FINAL_DOT);
                client.content_ending();
            }
            client::Step::SendContent(Framing::Chunk) => {
                to_server.extend(content.as_bytes());
                client.content_ending();
            }
            client::Step::NeedInput(_) => {}
            client::Step::Ready if sent => unreachable!("ready without an outcome"),
            client::Step::Ready => {
                match pipelined {
                    true => {
                        client.pipeline(envelope, Announced::from(content), &[content.as_bytes()])
                    }
                    false => client.send(envelope, Announced::from(content)),
                }
                .unwrap();
                sent = true;
            }
            client::Step::Done(outcome) => return (outcome, taken),
            other => panic!("{other:?}"),
        }
        let mut to_server = to_server.as_slice();
        loop {
            match server.step() {
                Step::Output(bytes) => {
                    let mut rest = bytes.as_slice();
                    while !rest.is_empty() {
                        let (piece, after) = rest.split_at(cuts.next().unwrap().min(rest.len()));
                        client.input(piece);
                        rest = after;
                    }
                }
                Step::Event(event) => server.answer(match event {
                    Event::Recipient(recipient) if recipient.address.local() == "unknown" => {
                        let status = liaison_mail::EnhancedStatus::NO_SUCH_MAILBOX;
                        Answer::Refuse(liaison_mail::Refusal::permanent(550, status, "no"))
                    }
                    Event::Message(_, content) => {
                        taken.push(content);
                        Answer::Accept
                    }
                    _ => Answer::Accept,
                }),
                Step::NeedInput if to_server.is_empty() => break,
                Step::NeedInput => {
                    let (piece, rest) =
                        to_server.split_at(cuts.next().unwrap().min(to_server.len()));
                    server.input(piece);
                    to_server = rest;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(
        lines in prop::collection::vec("[.a\\x00\u{e9}]{0,6}", 0..20),
        unknown in prop::collection::vec(any::<bool>(), 1..5),
        cuts in prop::collection::vec(1usize..50, 1..20),
        how in prop_oneof![Just((false, false)), Just((true, false)), Just((true, true))],
    ) {
        let content: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let names: Vec<String> = (unknown.iter().enumerate())
            .map(|(n, unknown)| if *unknown { "unknown".into() } else { format!("r{n}") })
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (outcome, taken) = carry(&envelope(&names), content.as_bytes(), &cuts, how);
        let refused: Vec<bool> = (outcome.verdicts.iter())
            .map(|verdict| *verdict != Verdict::Accepted)
            .collect();
        prop_assert_eq!(&refused, &unknown);
        let expected = usize::from(unknown.contains(&false));
        prop_assert_eq!(taken.len(), expected);
        if let Some(taken) = taken.first() {
            prop_assert_eq!(taken.as_bytes(), content.as_bytes());
        }
    }

    #[test]
    fn no_input_makes_the_server_panic_or_loop(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..20),
    ) {
        let mut server = Server::new(settings(Role::Submission));
        for piece in pieces {
            server.input(&piece);
            for step in 0.. {
                prop_assert!(step < 1000, "the server goes round in circles");
                match server.step() {
                    Step::Event(_) => server.answer(Answer::Accept),
                    Step::Output(_) => {}
                    _ => break,
                }
            }
        }
    }
}
