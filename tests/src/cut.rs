//! A wire that breaks: a proxy before a relay's port that cuts connections after so many octets.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

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

/// A wire that, when armed, stops in the middle of what it carries, says so, and breaks every
/// connection once it is told to: whoever listens chooses what dies at that octet.
pub struct Tripwire {
    armed: Arc<Mutex<Option<Cut>>>,
    tripped: Receiver<Sender<()>>,
}

impl Tripwire {
    /// Takes connections on `from` and carries them to `to`.
    pub fn new(from: u16, to: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, from)).unwrap();
        let armed: Arc<Mutex<Option<Cut>>> = Arc::default();
        let (trip, tripped) = mpsc::channel();
        let watched = Arc::clone(&armed);
        thread::spawn(move || {
            for caller in listener.incoming() {
                let (Ok(caller), Ok(called)) =
                    (caller, TcpStream::connect((Ipv4Addr::LOCALHOST, to)))
                else {
                    continue;
                };
                let ends = (caller.try_clone().unwrap(), called.try_clone().unwrap());
                let forth = (Arc::clone(&watched), trip.clone());
                let back = (Arc::clone(&watched), trip.clone());
                thread::spawn(move || guard(ends.0, ends.1, true, &forth));
                thread::spawn(move || guard(called, caller, false, &back));
            }
        });
        Self { armed, tripped }
    }

    /// Arms the wire: it stops once so many more octets have passed that way, over whichever
    /// connections.
    pub fn arm(&self, cut: Cut) {
        *self.armed.lock().unwrap() = Some(cut);
    }

    /// Waits until it stops; what is returned breaks the connection when it is dropped.
    pub fn wait(&self, patience: Duration) -> Option<Sender<()>> {
        self.tripped.recv_timeout(patience).ok()
    }
}

/// Carries octets one way; at the octet for which the wire is armed it stops, and waits.
fn guard(
    mut from: TcpStream,
    mut to: TcpStream,
    is_forth: bool,
    (armed, trip): &(Arc<Mutex<Option<Cut>>>, Sender<Sender<()>>),
) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let stop = {
            let mut armed = armed.lock().unwrap();
            let left = match &mut *armed {
                Some(Cut::Forth(left)) if is_forth => Some(left),
                Some(Cut::Back(left)) if !is_forth => Some(left),
                _ => None,
            };
            match left {
                Some(left) if *left < count => {
                    let passes = *left;
                    *armed = None;
                    Some(passes)
                }
                Some(left) => {
                    *left -= count;
                    None
                }
                None => None,
            }
        };
        if to.write_all(&buffer[..stop.unwrap_or(count)]).is_err() {
            break;
        }
        if stop.is_some() {
            let (go_on, told) = mpsc::channel();
            if trip.send(go_on).is_ok() {
                // Ends when the other end is dropped.
                let _ = told.recv();
            }
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
