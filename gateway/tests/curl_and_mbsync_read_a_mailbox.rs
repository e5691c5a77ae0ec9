//! curl reads a message octet for octet; mbsync brings new mail both ways and adds nothing twice.

use crate::site;

use std::fs;

use site::{MESSAGE, PASSWORD, Site, USER, run, said};

#[tokio::test(flavor = "multi_thread")]
async fn curl_reads_the_octets_that_were_filed() {
    let site = Site::start().await;
    let uid = site.arrival("1").await.uid;
    let output = run(
        "curl",
        vec![
            "--silent".to_owned(),
            "--show-error".to_owned(),
            "--cacert".to_owned(),
            site.root.display().to_string(),
            "--user".to_owned(),
            format!("{USER}:{PASSWORD}"),
            format!("imaps://localhost:{}/INBOX;UID={uid}", site.address.port()),
        ],
    )
    .await;
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(output.stdout, MESSAGE);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mbsync_brings_mail_both_ways_once() {
    let site = Site::start().await;
    site.arrival("1").await;
    let large = [
        &b"Subject: large\r\n\r\n"[..],
        &b"0123456789\r\n".repeat(30_000),
    ]
    .concat();
    site.arrival_of("2", &large).await;
    let path = site.path().display();
    fs::create_dir_all(site.path().join("mail")).unwrap();
    let settings = site.path().join("mbsyncrc");
    fs::write(
        &settings,
        format!(
            "IMAPAccount site\nHost localhost\nPort {}\nUser {USER}\nPass {PASSWORD}\n\
             SSLType IMAPS\nCertificateFile {}\n\n\
             IMAPStore far\nAccount site\n\n\
             MaildirStore near\nPath {path}/mail/\nInbox {path}/mail/INBOX\nSubFolders Verbatim\n\n\
             Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\n\
             SyncState *\n",
            site.address.port(),
            site.root.display(),
        ),
    )
    .unwrap();
    let sync = || {
        run(
            "mbsync",
            vec!["-c".into(), settings.display().to_string(), "-a".into()],
        )
    };

    let output = sync().await;
    assert!(output.status.success(), "{}", said(&output));
    let new = site.path().join("mail/INBOX/new");
    let received: Vec<_> = fs::read_dir(&new)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    assert_eq!(received.len(), 2, "{}", said(&output));
    let as_file = String::from_utf8_lossy(MESSAGE).replace("\r\n", "\n");
    let texts: Vec<_> = received
        .iter()
        .map(|path| fs::read(path).unwrap())
        .collect();
    assert!(texts.iter().any(|text| {
        // mbsync adds a line of its own to know the message again.
        String::from_utf8_lossy(text).ends_with(as_file.rsplit("\n\n").next().unwrap())
    }));

    let sent = site.path().join("mail/Envoy&AOk-s/cur");
    fs::write(
        sent.join("1.local:2,S"),
        "From: ide@ehpad.test\nSubject: copie\n\nbonjour\n",
    )
    .unwrap();
    for _ in 0..2 {
        let output = sync().await;
        assert!(output.status.success(), "{}", said(&output));
    }
    let mut dialogue = site.logged_in().await;
    let status = dialogue.command("STATUS INBOX (MESSAGES)").await;
    assert!(status.contains("(MESSAGES 2)"), "{status}");
    let status = dialogue
        .command("STATUS Envoy&AOk-s (MESSAGES UNSEEN)")
        .await;
    assert!(status.contains("(MESSAGES 1 UNSEEN 0)"), "{status}");
    site.stop().await;
}
