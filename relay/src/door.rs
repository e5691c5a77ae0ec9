//! Whether anybody is let in now: the machine must have room for what would be taken.
//!
//! Refusing before a message is read costs the peer a connection; refusing after it costs both the
//! message's transfer, and a full disk in mid-commit costs everybody.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use liaison_base::health::Check;
use liaison_base::machine::{Gauge, Reading};
use liaison_store::Location;
use time::{Duration, OffsetDateTime};

use crate::refusals::Reason;
use crate::settings::{Pressure, Settings};

/// The folder whose disk fills with mail: of the SQLite file, or of the large bodies.
pub(crate) fn folder(settings: &Settings) -> &Path {
    match &settings.database {
        Location::Sqlite(file) => file
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new(".")),
        // A bucket's disk is its server's to watch.
        Location::Postgres(_) => settings.bodies.folder().unwrap_or(Path::new(".")),
    }
}

/// How long a reading is believed: the gauge is not read for each of a thousand messages a second.
const FRESH: Duration = Duration::SECOND;

/// The room that is left, by a gauge.
#[derive(Debug)]
pub(crate) struct Door {
    gauge: Arc<dyn Gauge>,
    last: Mutex<Option<(OffsetDateTime, Reading)>>,
}

impl Door {
    pub(crate) fn new(gauge: Arc<dyn Gauge>) -> Self {
        Self {
            gauge,
            last: Mutex::default(),
        }
    }

    /// Why nothing is taken now, if so.
    pub(crate) fn closed(&self, limits: &Pressure, now: OffsetDateTime) -> Option<Reason> {
        judge(limits, self.reading(now))
    }

    /// What the gauge shows, at most a second old.
    pub(crate) fn reading(&self, now: OffsetDateTime) -> Reading {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match *last {
            Some((at, reading)) if (now - at).abs() < FRESH => reading,
            _ => {
                let reading = self.gauge.read();
                *last = Some((now, reading));
                reading
            }
        }
    }

    /// The same for a probe.
    pub(crate) fn checks(&self, limits: &Pressure, now: OffsetDateTime) -> Vec<Check> {
        let reading = self.reading(now);
        let closed = judge(limits, reading);
        let check = |name: &str, reason, found: Option<String>| Check {
            name: format!("relay.{name}"),
            ok: closed != Some(reason),
            detail: found.unwrap_or_else(|| "the system does not tell".to_owned()),
        };
        let mebibytes = |octets: u64| format!("{} MiB free", octets / (1024 * 1024));
        vec![
            check("disk", Reason::Disk, reading.disk_free.map(mebibytes)),
            check("memory", Reason::Memory, reading.memory_free.map(mebibytes)),
            check(
                "load",
                Reason::Load,
                reading.load.map(|load| format!("{load:.2} a processor")),
            ),
        ]
    }
}

fn judge(limits: &Pressure, reading: Reading) -> Option<Reason> {
    let short = |limit: u64, free: Option<u64>| limit > 0 && free.is_some_and(|free| free < limit);
    if short(limits.disk_free, reading.disk_free) {
        Some(Reason::Disk)
    } else if short(limits.memory_free, reading.memory_free) {
        Some(Reason::Memory)
    } else if limits.load > 0.0 && reading.load.is_some_and(|load| load > limits.load) {
        Some(Reason::Load)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use liaison_base::machine::Machine;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    #[derive(Debug)]
    struct MadeUp(Mutex<Reading>);

    impl Gauge for MadeUp {
        fn read(&self) -> Reading {
            *self.0.lock().unwrap()
        }
    }

    fn roomy() -> Reading {
        Reading {
            disk_free: Some(10 << 30),
            memory_free: Some(1 << 30),
            load: Some(0.5),
        }
    }

    #[test]
    fn each_shortage_has_its_own_reason() {
        let limits = Pressure::default();
        let shown = |reading| judge(&limits, reading);
        assert_eq!(shown(roomy()), None);
        let disk_free = Some(limits.disk_free - 1);
        let full = Reading {
            disk_free,
            ..roomy()
        };
        assert_eq!(shown(full), Some(Reason::Disk));
        let memory_free = Some(limits.memory_free - 1);
        let short = Reading {
            memory_free,
            ..roomy()
        };
        assert_eq!(shown(short), Some(Reason::Memory));
        let load = Some(limits.load + 0.1);
        assert_eq!(shown(Reading { load, ..roomy() }), Some(Reason::Load));
        assert_eq!(
            shown(Reading::default()),
            None,
            "an alarm on what is not known"
        );
    }

    #[test]
    fn a_door_opens_again_when_there_is_room() {
        let gauge = Arc::new(MadeUp(Mutex::new(Reading {
            disk_free: Some(0),
            ..roomy()
        })));
        let door = Door::new(gauge.clone());
        let limits = Pressure::default();
        assert_eq!(door.closed(&limits, NOW), Some(Reason::Disk));
        assert!(door.checks(&limits, NOW).iter().any(|check| !check.ok));
        *gauge.0.lock().unwrap() = roomy();
        assert_eq!(
            door.closed(&limits, NOW),
            Some(Reason::Disk),
            "read too often"
        );
        assert_eq!(door.closed(&limits, NOW + FRESH), None);
    }

    #[test]
    fn a_real_disk_smaller_than_asked_for_closes_the_door() {
        let door = Door::new(Arc::new(Machine::new("/tmp")));
        let limits = |disk_free| Pressure {
            disk_free,
            memory_free: 0,
            load: 0.0,
        };
        assert_eq!(door.closed(&limits(u64::MAX), NOW), Some(Reason::Disk));
        assert_eq!(door.closed(&limits(0), NOW), None);
    }
}
