//! A site in a network of its own: a network namespace that the test makes, joined to the test's by
//! one wire that can be broken, either way or both, without either end being told. Needs root.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The network; it is taken down when this is dropped.
pub struct Network {
    name: String,
    number: u32,
}

/// Which way nothing passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the test's network into this one.
    In,
    /// Out of this one.
    Out,
    /// Neither.
    Both,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Network {
    /// Makes the network; says why it cannot.
    ///
    /// # Errors
    /// What `ip` said: it is not installed, or this user or machine may not.
    pub fn new() -> Result<Self, String> {
        let process = std::process::id();
        let number = NUMBER.fetch_add(1, Ordering::SeqCst) + process * 4;
        let network = Self {
            name: format!("liaison-{number}"),
            number,
        };
        let (here, there) = (network.interface('a'), network.interface('b'));
        run(&["netns", "add", &network.name])?;
        run(&["link", "add", &here, "type", "veth", "peer", "name", &there])?;
        run(&["link", "set", &there, "netns", &network.name])?;
        run(&[
            "address",
            "add",
            &format!("{}/30", network.here()),
            "dev",
            &here,
        ])?;
        run(&["link", "set", &here, "up"])?;
        let name = network.name.as_str();
        let address = format!("{}/30", network.there());
        run(&["-n", name, "address", "add", &address, "dev", &there])?;
        run(&["-n", name, "link", "set", &there, "up"])?;
        run(&["-n", name, "link", "set", "lo", "up"])?;
        Ok(network)
    }

    /// The address of the test's end of the wire.
    pub fn here(&self) -> String {
        self.address(1)
    }

    /// The address of this network's end.
    pub fn there(&self) -> String {
        self.address(2)
    }

    /// Runs a program in this network.
    pub fn command(&self, program: &Command) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]);
        command.arg(program.get_program()).args(program.get_args());
        command
    }

    /// Breaks the wire: what is sent that way gets lost, and nobody is told. The neighbour's
    /// hardware address is one that nobody has.
    pub fn cut(&self, way: Way) {
        const NOBODY: &str = "02:00:5e:00:53:ff";
        let (here, there) = (self.interface('a'), self.interface('b'));
        if way != Way::Out {
            let to = self.there();
            let words = [
                "neigh",
                "replace",
                &to,
                "lladdr",
                NOBODY,
                "dev",
                &here,
                "nud",
                "permanent",
            ];
            run(&words).unwrap();
        }
        if way != Way::In {
            let to = self.here();
            let words = [
                "neigh",
                "replace",
                &to,
                "lladdr",
                NOBODY,
                "dev",
                &there,
                "nud",
                "permanent",
            ];
            run(&[&["-n", self.name.as_str()], words.as_slice()].concat()).unwrap();
        }
    }

    /// Mends the wire.
    pub fn heal(&self) {
        let (here, there) = (self.interface('a'), self.interface('b'));
        // What was not cut cannot be mended.
        let _ = run(&["neigh", "del", &self.there(), "dev", &here]);
        let _ = run(&[
            "-n",
            &self.name,
            "neigh",
            "del",
            &self.here(),
            "dev",
            &there,
        ]);
    }

    /// A small network of its own in 10.64.0.0/10.
    fn address(&self, host: u32) -> String {
        let base = (self.number % (1 << 20)) * 4 + host;
        let [_, b, c, d] = base.to_be_bytes();
        format!("10.{}.{c}.{d}", 64 + b)
    }

    fn interface(&self, end: char) -> String {
        format!("lia{}{end}", self.number)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Its end of the wire goes with it, and so does the other.
        let _ = run(&["netns", "del", &self.name]);
    }
}

/// Connections forwarded by `tests/scenarios/forward.py`; it is killed when this is dropped.
pub struct Forwarding(Child);

impl Forwarding {
    /// Forwards each pair (from, to), in the test's network or in that one.
    pub fn start(network: Option<&Network>, pairs: &[(String, String)]) -> Self {
        let mut command = Command::new("/usr/bin/python3");
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/forward.py"));
        command.args(pairs.iter().map(|(from, to)| format!("{from}={to}")));
        if let Some(network) = network {
            command = network.command(&command);
        }
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let output = process.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready");
        Self(process)
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(words: &[&str]) -> Result<(), String> {
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match Command::new("ip").args(words).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("ip {}: {}", words.join(" "), said(&output))),
        Err(error) => Err(format!("ip: {error}")),
    }
}
