//! Two instances of Debian's Postfix with mutual TLS between them, in folders of their own.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::liaison::free_port;
use crate::material::{FIRST, Material, SECOND};
use crate::{PATIENCE, Pair};

/// How the instances are set up, beyond names, ports and TLS.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setup {
    /// As Debian installs it.
    Debian,
    /// As Postfix's TUNING_README and TLS_README advise for throughput.
    Tuned,
}

pub(crate) struct Postfix {
    first: Instance,
    second: Instance,
    log: File,
    /// Deliveries read from the log so far, and the start of a line not read whole.
    delivered: u64,
    partial: String,
}

struct Instance {
    configuration: PathBuf,
    port: u16,
    master: u32,
}

impl Postfix {
    pub(crate) fn start(material: &Material, setup: Setup) -> Self {
        install();
        let second = Instance::start(
            material,
            SECOND,
            setup,
            &format!("relay_domains = {SECOND}\nrelay_transport = discard:\n"),
        );
        let route = format!(
            "relay_domains = {SECOND}\nrelay_transport = smtp:[127.0.0.1]:{}\n\
             smtp_tls_security_level = secure\nsmtp_tls_secure_cert_match = relay.{SECOND}\n",
            second.port
        );
        let first = Instance::start(material, FIRST, setup, &route);
        let log = File::open(second.configuration.join("log")).unwrap();
        Self {
            first,
            second,
            log,
            delivered: 0,
            partial: String::new(),
        }
    }
}

impl Pair for Postfix {
    fn door(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.first.port).into()
    }

    fn roots(&self) -> Vec<u32> {
        vec![self.first.master, self.second.master]
    }

    fn delivered(&mut self) -> u64 {
        let mut more = Vec::new();
        self.log.read_to_end(&mut more).unwrap();
        self.partial.push_str(&String::from_utf8_lossy(&more));
        let Some(end) = self.partial.rfind('\n') else {
            return self.delivered;
        };
        let whole: String = self.partial.drain(..=end).collect();
        let given = |line: &&str| line.contains("/discard[") && line.contains("status=sent");
        self.delivered += whole.lines().filter(given).count() as u64;
        self.delivered
    }
}

impl Instance {
    fn start(material: &Material, domain: &str, setup: Setup, route: &str) -> Self {
        let folder = material.folder(&format!("postfix-{domain}"));
        let port = free_port();
        readable_by_all(&folder);
        let path = |name: &str| folder.join(name);
        for name in ["queue", "data"] {
            fs::create_dir(path(name)).unwrap();
        }
        run(Command::new("chown").arg("postfix").arg(path("data")));
        let (chain, key) = material.identity(domain);
        fs::write(
            path("main.cf"),
            main_cf(material, domain, &folder, (&chain, &key), setup) + route,
        )
        .unwrap();
        fs::write(path("master.cf"), master_cf(port)).unwrap();
        run(Command::new("postfix").arg("-c").arg(&folder).arg("start"));
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < PATIENCE, "see {}", path("log").display());
            std::thread::sleep(Duration::from_millis(50));
        }
        let master = fs::read_to_string(path("queue/pid/master.pid")).unwrap();
        Self {
            configuration: folder,
            port,
            master: master.trim().parse().unwrap(),
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = Command::new("postfix")
            .arg("-c")
            .arg(&self.configuration)
            .arg("stop")
            .output();
    }
}

fn main_cf(
    material: &Material,
    domain: &str,
    folder: &Path,
    (chain, key): (&Path, &Path),
    setup: Setup,
) -> String {
    let root = material.root();
    let (root, chain, key, folder) = (
        root.display(),
        chain.display(),
        key.display(),
        folder.display(),
    );
    let tuned = match setup {
        Setup::Debian => "",
        Setup::Tuned => {
            "smtp_tls_connection_reuse = yes\nin_flow_delay = 0\ndefault_process_limit = 200\n\
             smtp_tls_session_cache_database = btree:$data_directory/smtp_scache\n\
             default_destination_concurrency_limit = 50\n"
        }
    };
    format!(
        "compatibility_level = 3.6\nmyhostname = relay.{domain}\nmydestination =\nmynetworks = 127.0.0.0/8\n\
         queue_directory = {folder}/queue\ndata_directory = {folder}/data\n\
         maillog_file = {folder}/log\nmaillog_file_prefixes = {folder}\n\
         inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nalias_maps =\nlocal_recipient_maps =\n\
         relay_recipient_maps =\nmessage_size_limit = 40000000\nbiff = no\n\
         smtpd_recipient_restrictions = permit_mynetworks, reject\n\
         smtpd_client_connection_count_limit = 0\n\
         smtpd_tls_security_level = encrypt\nsmtpd_tls_req_ccert = yes\nsmtpd_tls_ask_ccert = yes\n\
         smtpd_tls_CAfile = {root}\nsmtpd_tls_chain_files = {key}, {chain}\n\
         smtpd_tls_mandatory_protocols = >=TLSv1.3\nsmtpd_tls_wrappermode = no\n\
         smtp_tls_CAfile = {root}\nsmtp_tls_chain_files = {key}, {chain}\n\
         smtp_tls_mandatory_protocols = >=TLSv1.3\nsmtp_tls_wrappermode = yes\n{tuned}"
    )
}

/// Debian's services, without chroot; the door has TLS from its first octet, as ours has.
fn master_cf(port: u16) -> String {
    format!(
        "127.0.0.1:{port} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes\n\
         cleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\ntlsmgr unix - - n 1000? 1 tlsmgr\n\
         rewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\n\
         trace unix - - n - 0 bounce\nverify unix - - n - 1 verify\nflush unix n - n 1000? 0 flush\n\
         proxymap unix - - n - - proxymap\nsmtp unix - - n - - smtp\nrelay unix - - n - - smtp\n\
         error unix - - n - - error\nretry unix - - n - - error\ndiscard unix - - n - - discard\n\
         anvil unix - - n - 1 anvil\nscache unix - - n - 1 scache\ntlsproxy unix - - n - 0 tlsproxy\n\
         postlog unix-dgram n - n - 1 postlogd\n"
    )
}

/// From Debian, once; what the installation starts is not ours to keep.
fn install() {
    if Command::new("postfix")
        .arg("-c")
        .arg("/nowhere")
        .output()
        .is_ok()
    {
        return;
    }
    println!("installing postfix");
    run(Command::new("apt-get")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["install", "-y", "-qq", "postfix"]));
    let _ = Command::new("postfix").arg("stop").output();
}

/// Postfix's processes work under another user; the run's folder is temporary and holds the
/// bench's own throw-away keys.
fn readable_by_all(folder: &Path) {
    for folder in folder.ancestors().take(2) {
        run(Command::new("chmod").arg("755").arg(folder));
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
