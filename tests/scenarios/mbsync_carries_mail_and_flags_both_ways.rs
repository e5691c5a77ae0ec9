//! mbsync, which nobody here wrote, keeps a mailbox and a folder of files alike: mail, flags and
//! deletions go both ways, and nothing is brought twice.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use liaison_tests::Territory;
use liaison_tests::imap::Imap;
use liaison_tests::programs::run;
use liaison_tests::routine::a_letter_arrives;
use liaison_tests::territory::{DOCTOR, EHPAD};

#[test]
fn mbsync_carries_mail_and_flags_both_ways() {
    let territory = Territory::build();
    let _sites = ["dac", "practice", "ehpad"].map(|member| territory.start_site(member));
    let client = Client::new(&territory);
    for _ in 0..3 {
        a_letter_arrives(&territory, DOCTOR, EHPAD);
    }
    client.sync();
    let files = client.inbox();
    assert_eq!(files.keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
    let mut server = territory.imap(EHPAD);
    let arrived = server.messages();
    for (message, file) in arrived.iter().zip(files.values()) {
        assert_eq!(body(&fs::read(file).unwrap()), body(message));
    }

    // What is done here is seen there: read and answered, flagged, deleted.
    for (uid, flags) in [(1, "RS"), (2, "F"), (3, "T")] {
        let file = &client.inbox()[&uid];
        let name = file.file_name().unwrap().to_str().unwrap();
        let name = name.split(":2,").next().unwrap();
        fs::rename(
            file,
            client.folder.join(format!("INBOX/cur/{name}:2,{flags}")),
        )
        .unwrap();
    }
    client.sync();
    assert_eq!(flags(&mut server, 1), [r"\Answered", r"\Seen"]);
    assert_eq!(flags(&mut server, 2), [r"\Flagged"]);
    assert_eq!(server.messages().len(), 2, "the third was deleted");

    // What is done there is seen here.
    server.ok(r"UID STORE 1 -FLAGS (\Answered)");
    server.ok(r"UID STORE 2 +FLAGS (\Seen)");
    client.sync();
    let names: Vec<_> = client.inbox().into_values().collect();
    assert_eq!(names.len(), 2);
    assert!(names[0].to_str().unwrap().ends_with(":2,S"), "{names:?}");
    assert!(names[1].to_str().unwrap().ends_with(":2,FS"), "{names:?}");

    // Mail written here is filed there, mail that arrives there comes here, each once.
    let draft = "From: soins@ehpad-tilleuls.test\nSubject: brouillon\n\n.\nà finir\n";
    fs::write(client.folder.join("INBOX/cur/draft.local:2,DS"), draft).unwrap();
    a_letter_arrives(&territory, DOCTOR, EHPAD);
    for _ in 0..2 {
        client.sync();
        assert_eq!(client.inbox().len(), 4);
    }
    let messages = server.messages();
    assert_eq!(messages.len(), 4);
    let filed = messages
        .iter()
        .find(|message| body(message) == ".\nà finir\n".as_bytes());
    assert!(filed.is_some(), "the draft was not filed");
}

/// mbsync with a folder of its own.
struct Client {
    folder: PathBuf,
    settings: PathBuf,
}

impl Client {
    fn new(territory: &Territory) -> Self {
        let account = territory.account(EHPAD);
        let folder = territory.folder().join("maildir");
        fs::create_dir(&folder).unwrap();
        let settings = folder.join("mbsyncrc");
        let text = format!(
            "IMAPAccount site\nHost localhost\nPort {port}\nUser {user}\nPass {password}\n\
             SSLType IMAPS\nCertificateFile {ca}\nTimeout 30\n\n\
             IMAPStore far\nAccount site\n\n\
             MaildirStore near\nPath {path}/\nInbox {path}/INBOX\nSubFolders Verbatim\n\n\
             Channel inbox\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Near\nExpunge Both\n\
             SyncState *\n",
            port = territory.member(&account.member).imaps.unwrap(),
            user = account.user,
            password = account.password,
            ca = territory.ca().display(),
            path = folder.display(),
        );
        fs::write(&settings, text).unwrap();
        Self { folder, settings }
    }

    fn sync(&self) {
        run(
            Command::new("mbsync")
                .arg("-c")
                .arg(&self.settings)
                .arg("-a"),
            b"",
        );
    }

    /// The files of INBOX by the uid that mbsync writes in their names.
    fn inbox(&self) -> BTreeMap<u32, PathBuf> {
        ["new", "cur"]
            .into_iter()
            .flat_map(|part| fs::read_dir(self.folder.join("INBOX").join(part)).unwrap())
            .map(|entry| entry.unwrap().path())
            .map(|path| (uid(&path), path))
            .collect()
    }
}

fn uid(path: &Path) -> u32 {
    let name = path.file_name().unwrap().to_str().unwrap();
    let uid = name.split_once(",U=").unwrap().1;
    uid.split(':').next().unwrap().parse().unwrap()
}

/// The flags of a message, without \Recent, in order.
fn flags(server: &mut Imap, uid: u32) -> Vec<String> {
    // What another session has done is told with the next command (RFC 3501 §7).
    server.ok("NOOP");
    let answer = server.ok(&format!("UID FETCH {uid} (FLAGS)"));
    let line = answer
        .lines
        .iter()
        .rfind(|line| line.contains("UID"))
        .unwrap();
    let inside = line.split_once("FLAGS (").unwrap().1;
    let mut flags: Vec<_> = inside
        .split(')')
        .next()
        .unwrap()
        .split_ascii_whitespace()
        .filter(|flag| *flag != r"\Recent")
        .map(str::to_owned)
        .collect();
    flags.sort();
    flags
}

/// A message's body with the line ends of files; mbsync adds a header line of its own.
fn body(message: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(message).replace("\r\n", "\n");
    text.split_once("\n\n").unwrap().1.as_bytes().to_vec()
}
