//! Databases for tests, on either engine.
//!
//! A test asks for the database that would be at a path ([`database`]). It gets a SQLite file
//! there, or, when the environment says `LIAISON_TEST_ENGINE=postgresql`, a PostgreSQL database
//! that stands for that path: the same for the same path, new for a new one. `tests/run` runs the
//! tests of every crate that keeps something on both.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::Location;
use crate::sql::Engine;

/// Names the engine of a run: `sqlite`, which is the default, or `postgresql`.
pub const ENGINE: &str = "LIAISON_TEST_ENGINE";
/// The folder of a server that runs already, as `tests/postgresql` prints it.
pub const SERVER: &str = "LIAISON_TEST_POSTGRESQL";

/// The engine of this run.
#[expect(clippy::panic, reason = "a test fails by panicking")]
pub fn engine() -> Engine {
    match std::env::var(ENGINE).as_deref() {
        Err(_) | Ok("" | "sqlite") => Engine::Sqlite,
        Ok("postgresql") => Engine::Postgres,
        Ok(other) => panic!("{ENGINE}={other}: say sqlite or postgresql"),
    }
}

/// The database at a path, on the engine of this run.
pub fn database(path: impl AsRef<Path>) -> Location {
    database_on(engine(), path)
}

/// The database at a path, on that engine.
pub fn database_on(engine: Engine, path: impl AsRef<Path>) -> Location {
    let path = path.as_ref();
    match engine {
        Engine::Sqlite => Location::Sqlite(path.to_owned()),
        Engine::Postgres => SERVED.database(path),
    }
}

/// Every octet that a database keeps: its files, or all rows as they can be read. For tests that
/// look for what must not be there.
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
pub fn everything_in(database: &Location) -> Vec<u8> {
    match database {
        Location::Sqlite(path) => {
            let mut octets = std::fs::read(path).expect("the database's file");
            let mut log = path.clone().into_os_string();
            log.push("-wal");
            octets.extend(std::fs::read(log).unwrap_or_default());
            octets
        }
        Location::Postgres(hosts) => {
            let dumped = Command::new("pg_dump")
                .args(["--inserts", "--dbname"])
                .args(hosts.urls().first())
                .output()
                .expect("pg_dump runs");
            assert!(dumped.status.success(), "{dumped:?}");
            let mut octets = dumped.stdout;
            let text = String::from_utf8_lossy(&octets).into_owned();
            for hex in text.split("'\\x").skip(1) {
                let digits: Vec<u8> = hex.bytes().take_while(u8::is_ascii_hexdigit).collect();
                octets.push(b'\n');
                octets.extend(digits.chunks_exact(2).filter_map(|pair| {
                    u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()
                }));
            }
            octets
        }
    }
}

/// A PostgreSQL server of the tests' own, stopped and removed with its last user.
#[derive(Debug)]
pub struct Server {
    folder: PathBuf,
    /// Ends when its standard input does.
    _script: Option<Child>,
    made: Mutex<HashSet<String>>,
}

/// The server of this process.
static SERVED: LazyLock<Server> = LazyLock::new(|| match std::env::var_os(SERVER) {
    Some(folder) => Server {
        folder: folder.into(),
        _script: None,
        made: Mutex::default(),
    },
    None => Server::start(&[]),
});

impl Server {
    /// Starts a server with these settings (`name=value`) besides the usual ones.
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    pub fn start(settings: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/postgresql");
        let mut child = Command::new(script)
            .args(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("tests/postgresql runs");
        let out = child.stdout.take().expect("its output is piped");
        let mut line = String::new();
        BufReader::new(out)
            .read_line(&mut line)
            .expect("tests/postgresql prints its folder");
        assert!(
            !line.trim().is_empty(),
            "PostgreSQL did not start; see above"
        );
        Self {
            folder: line.trim().into(),
            _script: Some(child),
            made: Mutex::default(),
        }
    }

    /// Its folder: the socket's, and of `data` and `data/server.log`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A synchronous standby of `primary`, which from now on answers a commit only once it is on
    /// both.
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    pub fn standby_of(primary: &Self) -> Self {
        let place = format!("--standby-of={}", primary.folder.display());
        let standby = Self::start(&[&place]);
        for statement in [
            "ALTER SYSTEM SET synchronous_standby_names = '*'",
            "SELECT pg_reload_conf()",
        ] {
            let done = Command::new("psql")
                .args([
                    "-X", "-U", "liaison", "-d", "postgres", "-c", statement, "-h",
                ])
                .arg(&primary.folder)
                .output()
                .expect("psql runs");
            assert!(done.status.success(), "{done:?}");
        }
        standby
    }

    /// Makes a standby the primary.
    pub fn promote(&self) {
        self.control(&["promote"]);
    }

    /// Stops it as a crash would.
    pub fn crash(&self) {
        self.control(&["-m", "immediate", "stop"]);
    }

    /// Starts it after a crash, with the settings that it had.
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    pub fn start_again(&self) {
        let kept = self.folder.join("data/postmaster.opts");
        let kept = std::fs::read_to_string(kept).expect("the options of the last start");
        let (_, options) = kept.trim().split_once(' ').expect("a program with options");
        self.control(&["-o", &options.replace('"', "'"), "start"]);
    }

    /// Has pg_ctl do something, as the user that owns the folder.
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    fn control(&self, action: &[&str]) {
        let data = self.folder.join("data");
        let script = "owner=$(stat -c %U \"$0\"); log=$0/server.log
            if [ \"$(id -un)\" = \"$owner\" ]; then as=; else
                as=\"setpriv --reuid=$owner --regid=$owner --clear-groups\"; fi
            exec $as /usr/lib/postgresql/15/bin/pg_ctl -D \"$0\" -w -l \"$log\" \"$@\"";
        let done = Command::new("sh")
            .args(["-c", script])
            .arg(&data)
            .args(action)
            .current_dir("/")
            .output()
            .expect("sh runs");
        assert!(done.status.success(), "{done:?}");
    }

    /// The database of that name on this server or, when it is lost, on its standby.
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    pub fn with_standby(&self, standby: &Self, name: &str) -> Location {
        let (host, second) = (self.host(), standby.host());
        format!("postgres://liaison@{host},{second}/{name}")
            .parse()
            .expect("a URL of PostgreSQL")
    }

    /// The socket's folder as it stands in a URL.
    fn host(&self) -> String {
        self.folder.display().to_string().replace('/', "%2F")
    }

    /// The database that stands for a path, made if absent.
    pub fn database(&self, path: &Path) -> Location {
        let mut name = DefaultHasher::new();
        path.hash(&mut name);
        self.named(&format!("t{:016x}", name.finish()))
    }

    /// The database of that name, made if absent.
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    pub fn named(&self, name: &str) -> Location {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.insert(name.to_owned()) {
            let made = Command::new("createdb")
                .args(["-U", "liaison", "-h"])
                .arg(&self.folder)
                .arg(name)
                .output()
                .expect("createdb runs");
            let said = String::from_utf8_lossy(&made.stderr);
            assert!(
                made.status.success() || said.contains("already exists"),
                "{said}"
            );
        }
        let host = self.host();
        format!("postgres://liaison@{host}/{name}")
            .parse()
            .expect("a URL of PostgreSQL")
    }
}
