//! A wire that breaks: a proxy before a relay's port that cuts connections after so many octets.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Where a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// After so many octets from the one who called.
    Forth(usize),
    /// After so many octets of the one who was called.
    Back(usize),
}

/// The proxy; it serves until the test ends.
pub struct Wire {
    cuts: Arc<Mutex<VecDeque<Cut>>>,
}

impl Wire {
    /// Takes connections on `from` and carries them to `to`, each with the next of these cuts; once
    /// they are used up, whole.
    pub fn new(from: u16, to: u16, cuts: impl IntoIterator<Item = Cut>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, from)).unwrap();
        let cuts: Arc<Mutex<VecDeque<Cut>>> = Arc::new(Mutex::new(cuts.into_iter().collect()));
        let next = Arc::clone(&cuts);
        thread::spawn(move || {
            for caller in listener.incoming() {
                let cut = next.lock().unwrap().pop_front();
                let (Ok(caller), Ok(called)) =
                    (caller, TcpStream::connect((Ipv4Addr::LOCALHOST, to)))
                else {
                    continue;
                };
                let (forth, back) = match cut {
                    Some(Cut::Forth(octets)) => (octets, usize::MAX),
                    Some(Cut::Back(octets)) => (usize::MAX, octets),
                    None => (usize::MAX, usize::MAX),
                };
                let ends = (caller.try_clone().unwrap(), called.try_clone().unwrap());
                thread::spawn(move || carry(ends.0, ends.1, forth));
                thread::spawn(move || carry(called, caller, back));
            }
        });
        Self { cuts }
    }

    /// How many cuts are still to come.
    pub fn left(&self) -> usize {
        self.cuts.lock().unwrap().len()
    }
}

/// Carries at most `most` octets, then ends the connection both ways.
fn carry(mut from: TcpStream, mut to: TcpStream, most: usize) {
    let (mut left, mut buffer) = (most, [0; 4096]);
    while left > 0 {
        match from.read(&mut buffer) {
            Ok(count @ 1..) => {
                let count = count.min(left);
                if to.write_all(&buffer[..count]).is_err() {
                    break;
                }
                left -= count;
            }
            _ => break,
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
