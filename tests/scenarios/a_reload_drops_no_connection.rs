//! Certificates are renewed and settings changed while clients stay connected; wrong settings are
//! refused with their reason, and what was in force stays.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Output};
use std::sync::Arc;

use liaison_tests::admin::{get, sample};
use liaison_tests::logs::wait_for;
use liaison_tests::peer::Peer;
use liaison_tests::territory::{EHPAD, WARD, liaison};
use liaison_tests::tls::{PATIENCE, client_config};
use liaison_tests::{Territory, routine};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

#[test]
fn a_reload_drops_no_connection() {
    let (territory, sites) = Territory::start();
    let folder = territory.site_folder("ehpad");
    let port = territory.member("ehpad").imaps.unwrap();
    let mut reader = territory.imap(EHPAD);
    let mut peer = Peer::welcome(&territory, "hospital", "ehpad");
    let before = shown(&territory, port, "127.0.0.1");

    // The mail certificate is replaced by another of the same authority.
    let (chain, key) = (folder.join("mail.chain.pem"), folder.join("mail.key"));
    let kept = [fs::read(&chain).unwrap(), fs::read(&key).unwrap()];
    fs::copy(folder.join("relay.chain.pem"), &chain).unwrap();
    fs::copy(folder.join("relay.key"), &key).unwrap();
    let done = reload(&territory);
    assert!(done.status.success(), "{done:?}");
    let name = format!("relay.{}", territory.member("ehpad").domain);
    let after = shown(&territory, port, &name);
    assert_ne!(
        before, after,
        "a new connection sees the earlier certificate"
    );
    // Whoever was connected still is.
    reader.ok("NOOP");
    assert!(peer.command("NOOP").starts_with("250"));

    // A key of another certificate: refused, nothing changes.
    fs::write(&key, &kept[1]).unwrap();
    let refused = reload(&territory);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(
        said(&refused).contains("what was in force stays"),
        "{refused:?}"
    );
    assert_eq!(shown(&territory, port, &name), after);

    // A mistyped key: named with its line, by the signal too.
    fs::write(&chain, &kept[0]).unwrap();
    let config = territory.config("ehpad");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{text}\n[logg]\nfilter = \"info\"\n")).unwrap();
    let hangup = Command::new("kill")
        .args(["-HUP", &sites["ehpad"].id().to_string()])
        .status()
        .unwrap();
    assert!(hangup.success());
    wait_for(&territory, "ehpad", |line| {
        let error = line["error"].as_str().unwrap_or_default();
        error.contains("did you mean `log`") && error.contains("line ")
    });
    let metrics = get(&territory, "ehpad", "/metrics").body;
    assert_eq!(
        sample(&metrics, "liaison_reloads_total", &[("result", "refused")]),
        2.0
    );

    // Mended: the first certificate is back, and a change that takes a restart is named.
    fs::write(
        &config,
        text.replacen("connections = 200", "connections = 150", 1),
    )
    .unwrap();
    let done = reload(&territory);
    assert!(done.status.success(), "{done:?}");
    let output = String::from_utf8(done.stdout).unwrap();
    assert!(
        output.contains("at the next start: relay.limits"),
        "{output}"
    );
    assert_eq!(shown(&territory, port, "127.0.0.1"), before);
    reader.ok("NOOP");
    assert!(peer.command("NOOP").starts_with("250"));
    routine::a_letter_arrives(&territory, WARD, EHPAD);
}

fn reload(territory: &Territory) -> Output {
    liaison()
        .args(["reload", "--config"])
        .arg(territory.config("ehpad"))
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The leaf certificate that a port shows, verified under this name.
fn shown(territory: &Territory, port: u16, name: &str) -> Vec<u8> {
    let mut tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut session = ClientConnection::new(Arc::new(client_config(territory.ca())), name).unwrap();
    while session.is_handshaking() {
        session
            .complete_io(&mut tcp)
            .expect("a certificate of that name");
    }
    session.peer_certificates().unwrap()[0].to_vec()
}
