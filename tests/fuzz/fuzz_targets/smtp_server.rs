//! A whole session at the submission port: whatever comes, replies are lines, and no message is
//! taken from who has not logged in.
#![no_main]

use liaison_mail::Domain;
use liaison_smtp::server::{Answer, Event, Role, Server, Settings, Step};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let host = Domain::parse("mail.ehpad.test").expect("a domain");
    let mut server = Server::new(Settings::new(Role::Submission, host));
    let mut logged_in = false;
    let mut input = bytes.split_inclusive(|b| *b == 0xfe);
    loop {
        match server.step() {
            Step::Output(bytes) => assert!(bytes.ends_with(b"\r\n")),
            Step::Event(event) => {
                match event {
                    Event::Authenticate(_) => logged_in = true,
                    Event::Mail(_) | Event::Recipient(_) | Event::Message(..) => {
                        assert!(logged_in);
                    }
                    Event::Hello(_) | Event::Content(_) => {}
                }
                server.answer(Answer::Accept);
            }
            Step::NeedInput => match input.next() {
                Some(piece) => server.input(piece.strip_suffix(&[0xfe]).unwrap_or(piece)),
                None => return,
            },
            Step::Close | Step::StartTls => return,
            Step::NeedAnswer => unreachable!("every event is answered"),
        }
    }
});
