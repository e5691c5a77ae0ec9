//! The `[relay]` section.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use liaison_mail::Domain;
use liaison_store::Location;
use liaison_store::body::Place;
use serde::{Deserialize, Serialize};

use crate::bridge::SmartHost;

/// The `[relay]` section. Times are written `"200ms"`, `"30s"`, `"15m"`, `"4h"`, `"2d"`, or as a
/// number of seconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The relay's own name: in its greeting, its `Received` lines and its reports. One of the
    /// dNSNames of its certificate, and its `server_name` in the directory.
    pub hostname: Domain,
    /// Where peers connect (SMTP over mutual TLS 1.3), for example `0.0.0.0:2465`.
    pub listen: SocketAddr,
    /// The relay's certificate and its issuing authorities, leaf first, PEM.
    pub certificate: PathBuf,
    /// The certificate's private key, PEM.
    pub key: PathBuf,
    /// The authorities that may vouch for peers, PEM.
    pub anchors: PathBuf,
    /// PEM files of the revocation lists of those authorities: a peer whose certificate one of them
    /// names gets no session. Read again at a reload.
    #[serde(default)]
    pub revocations: Vec<PathBuf>,
    /// The queue's database: the path of a SQLite file, made if absent, of one process; or
    /// `postgres://user@host/name`, a PostgreSQL database that the processes of a site share. See
    /// [`Location`].
    pub database: Location,
    /// Where message bodies larger than 128 KiB are: a local folder, made if absent, or
    /// `s3://bucket/prefix?endpoint=https://…&region=…`. The processes that share a database share
    /// this too. See [`Place`].
    pub bodies: Place,
    /// The mail domains whose mailboxes the gateway behind this relay serves.
    pub domains: Vec<Domain>,
    /// The domains that peers may send to through this relay, beyond its own. None by default: an
    /// open relay is nobody's friend.
    #[serde(default)]
    pub transit: Vec<Domain>,
    /// A plain SMTP smart host, for domains whose mail systems cannot show a certificate. None by
    /// default. Read again at a reload.
    #[serde(default)]
    pub bridge: Option<SmartHost>,
    /// When to try again, and when to give up.
    #[serde(default)]
    pub schedule: Schedule,
    /// What a peer may ask of this relay, and this relay of its machine.
    #[serde(default)]
    pub limits: Limits,
    /// What one peer may send in a minute.
    #[serde(default)]
    pub rates: Rates,
    /// When to turn mail away at the door for want of room.
    #[serde(default)]
    pub pressure: Pressure,
}

/// When to try again, and when to give up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// The wait after the first failed try, and how long a destination that cannot be reached is
    /// left alone. Each further wait is twice as long, give or take a fifth. Default: 30s.
    #[serde(with = "liaison_base::span")]
    pub first_retry: Duration,
    /// The longest wait between two tries. Default: 1h.
    #[serde(with = "liaison_base::span")]
    pub longest_retry: Duration,
    /// The age at which the sender of a waiting message is told of the delay. Default: 4h.
    #[serde(with = "liaison_base::span")]
    pub delay_notice: Duration,
    /// The age at which a waiting message is given up and its sender told. Default: 2d.
    #[serde(with = "liaison_base::span")]
    pub expiry: Duration,
    /// How long a delivery may take before the message is handed to another worker. Must be
    /// longer than the slowest transfer. Default: 15m.
    #[serde(with = "liaison_base::span")]
    pub lease: Duration,
    /// How long a process may give no sign of life before the others on its database take over
    /// what it was delivering. Default: 30s.
    #[serde(with = "liaison_base::span")]
    pub takeover: Duration,
    /// How long the history of a finished message is kept; for as long, the same message from the
    /// same peer is recognised and not delivered again. Default: 90d.
    #[serde(with = "liaison_base::span")]
    pub keep_history: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        Self {
            first_retry: Duration::from_secs(30),
            longest_retry: hours(1),
            delay_notice: hours(4),
            expiry: hours(48),
            lease: Duration::from_secs(15 * 60),
            takeover: Duration::from_secs(30),
            keep_history: hours(90 * 24),
        }
    }
}

/// What a peer may ask of this relay, and this relay of its machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The largest message taken, in octets. Default: 36700160 (35 MiB: 25 MiB in base64).
    pub message_octets: usize,
    /// The most relays a message may have passed before this one. Default: 30.
    pub hops: usize,
    /// The most connections served at once. Default: 200.
    pub connections: usize,
    /// The most connections of one peer served at once. Default: 20.
    pub connections_per_peer: usize,
    /// The most deliveries at once to all peers. Default: 64.
    pub deliveries: usize,
    /// The most deliveries at once to one destination, so that a slow one cannot hold up the
    /// others. Default: 4.
    pub deliveries_per_destination: usize,
    /// How long a connection to a peer is kept open for the next message. Default: 10s.
    #[serde(with = "liaison_base::span")]
    pub linger: Duration,
    /// How long a connection and its TLS handshake may take, on either side. Default: 30s.
    #[serde(with = "liaison_base::span")]
    pub connect: Duration,
    /// How long a peer that is sent mail may take for its whole answer to a command; to a message it
    /// may take four times as long. Then it counts as unreachable. Default: 150s, half of what
    /// RFC 5321 §4.5.3.2 gives to strangers: peers are machines, and a dead one holds a worker.
    #[serde(with = "liaison_base::span")]
    pub reply: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_octets: 35 * 1024 * 1024,
            hops: 30,
            connections: 200,
            connections_per_peer: 20,
            deliveries: 64,
            deliveries_per_destination: 4,
            linger: Duration::from_secs(10),
            connect: Duration::from_secs(30),
            reply: Duration::from_secs(150),
        }
    }
}

/// What one peer may send in a minute; 0 sets no limit. A peer that was quiet may send a minute's
/// worth at once, and then as much as flows back. Beyond it, it is told to come again (4xx).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rates {
    /// Connections. Default: 600.
    pub connections: u32,
    /// Messages. Default: 60000.
    pub messages: u32,
    /// Recipients of messages. Default: 120000.
    pub recipients: u32,
    /// Octets of content. Default: 6442450944 (6 GiB).
    pub octets: u64,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            connections: 600,
            messages: 60_000,
            recipients: 120_000,
            octets: 6 * 1024 * 1024 * 1024,
        }
    }
}

/// When to turn mail away at the door, before anything of it is read: peers keep it and come again.
/// What is queued goes on leaving. 0 looks at nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pressure {
    /// Octets that must be free on the disk of the database. Default: 536870912 (512 MiB).
    pub disk_free: u64,
    /// Octets of memory that must be available. Default: 67108864 (64 MiB).
    pub memory_free: u64,
    /// The highest load a processor, averaged over a minute. Default: 32.0.
    pub load: f64,
}

impl Default for Pressure {
    fn default() -> Self {
        Self {
            disk_free: 512 * 1024 * 1024,
            memory_free: 64 * 1024 * 1024,
            load: 32.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use liaison_base::config;

    const SHORTEST: &str = r#"
        hostname = "relay.ch.test"
        listen = "127.0.0.1:0"
        certificate = "relay.chain.pem"
        key = "relay.key"
        anchors = "root.pem"
        database = "relay.db"
        bodies = "bodies"
        domains = ["ch.test"]
    "#;

    #[test]
    fn what_is_not_said_has_a_default_and_nothing_is_carried_onward() {
        let settings: Settings = config::parse(SHORTEST).unwrap();
        assert_eq!(settings.schedule, Schedule::default());
        assert_eq!(settings.limits, Limits::default());
        assert_eq!(settings.rates, Rates::default());
        assert_eq!(settings.pressure, Pressure::default());
        assert!(settings.transit.is_empty());
    }

    #[test]
    fn times_are_written_as_people_write_them() {
        let text = format!(
            "{SHORTEST}\n[schedule]\nfirst_retry = \"200ms\"\nexpiry = 90\nlease = \"15m\"\n"
        );
        let schedule = config::parse::<Settings>(&text).unwrap().schedule;
        assert_eq!(schedule.first_retry, Duration::from_millis(200));
        assert_eq!(schedule.expiry, Duration::from_secs(90));
        assert_eq!(schedule.lease, Duration::from_secs(900));
        assert_eq!(schedule.longest_retry, Duration::from_secs(3600));
    }

    #[test]
    fn settings_read_back_as_written() {
        let mut settings: Settings = config::parse(SHORTEST).unwrap();
        settings.schedule.first_retry = Duration::from_millis(1500);
        settings.schedule.expiry = Duration::ZERO;
        let text = toml_of(&settings);
        let read: Settings = config::parse(&text).unwrap();
        assert_eq!(read.schedule, settings.schedule);
        assert_eq!(read.limits, settings.limits);
    }

    #[test]
    fn a_wrong_time_or_key_is_refused() {
        for wrong in [
            "first_retry = \"soon\"",
            "first_retry = \"5 weeks\"",
            "first_retry = -1",
            "first_retry = \"99999999999999999999s\"",
            "first_retry = \"9999999d\"",
            "frist_retry = \"1s\"",
        ] {
            let text = format!("{SHORTEST}\n[schedule]\n{wrong}\n");
            assert!(
                config::parse::<Settings>(&text).is_err(),
                "{wrong} was accepted"
            );
        }
    }

    fn toml_of(settings: &Settings) -> String {
        toml::to_string(settings).unwrap()
    }
}
