//! Python's imaplib, which nobody here wrote, does a user's whole work over TLS.

use crate::site;

use site::{PASSWORD, Site, USER, run, said};

#[tokio::test(flavor = "multi_thread")]
async fn python_imaplib_reads_and_files_mail() {
    let site = Site::start().await;
    site.arrival("1").await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive_imaplib.py");
    let output = run(
        "python3",
        vec![
            script.to_owned(),
            site.address.port().to_string(),
            site.root.display().to_string(),
            USER.to_owned(),
            PASSWORD.to_owned(),
        ],
    )
    .await;
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("imaplib: done"));
    site.stop().await;
}
