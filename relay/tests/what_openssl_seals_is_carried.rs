//! A program that nobody here wrote seals, in one piece and streamed, small and large: all of it
//! is carried as it is. What it only signs is refused.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use crate::territory;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use liaison_mail::EnhancedStatus;
use liaison_mail::port::HandOver as _;
use territory::{Territory, envelope};

#[tokio::test(flavor = "multi_thread")]
async fn what_openssl_seals_is_carried() {
    let territory = Territory::new();
    let mut home = territory.site("ehpad.test");
    let relay = home.start().await;
    let folder = tempfile::tempdir().unwrap();
    let identity = territory.identity("ehpad.test");
    let certificate = identity.certificate.to_str().unwrap();

    for (size, options) in [
        (10, "-encrypt -aes-256-gcm"),
        (300_000, "-encrypt -aes-256-gcm"),
        (10, "-encrypt -aes-128-cbc"),
        (300_000, "-encrypt -aes-128-cbc -stream"),
    ] {
        let message = openssl(folder.path(), size, &format!("{options} {certificate}"));
        let sent = envelope(
            &format!("n{size}{options}").replace(' ', ""),
            "",
            &["ide@ehpad.test"],
        );
        relay
            .hand_over(sent, None, Arc::clone(&message))
            .await
            .unwrap();
        assert!(
            home.gateway
                .arrival()
                .await
                .message
                .whole()
                .unwrap()
                .ends_with(&message),
            "{options}"
        );
    }

    let key = identity.key.to_str().unwrap();
    let options = format!("-sign -nodetach -signer {certificate} -inkey {key}");
    let signed = openssl(folder.path(), 10, &options);
    let sent = envelope("signed", "", &["ide@ehpad.test"]);
    let refused = relay.hand_over(sent, None, signed).await.unwrap_err();
    assert_eq!(refused.status, EnhancedStatus::CONTENT);
    home.stop(relay).await;
}

/// What `openssl cms` makes of `size` octets, with the line ends of mail.
fn openssl(folder: &Path, size: usize, options: &str) -> Arc<[u8]> {
    let content = folder.join("content");
    std::fs::write(&content, "a".repeat(size)).unwrap();
    let output = Command::new("openssl")
        .args(["cms", "-binary", "-in"])
        .arg(&content)
        .args(options.split(' '))
        .output()
        .expect("the openssl command is needed: install the package `openssl`");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.replace("\r\n", "\n")
        .replace('\n', "\r\n")
        .into_bytes()
        .into()
}
