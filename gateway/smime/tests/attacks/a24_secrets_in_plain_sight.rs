//! Attack 24: plaintext and keys in logs, spools and crash output; a panic on input. What this
//! crate can be made to print holds neither; nothing is written but to the caller's writer; no
//! input makes it panic (`no_input_makes_it_panic`, the fuzz targets). Keys are wiped by what
//! holds them; that a process leaves no core file is a scenario; unsafe code is in one module,
//! which the compiler enforces.

use std::io::Cursor;

use liaison_smime::{
    Identities, OpenPolicy, Opener, PrivateKey, Recipients, SealPolicy, Sealer, Spool,
};

use crate::forge::pki::Keys;
use crate::forge::{SECRET, Stage, now};

const LETTER: &str = "From: dr.untel@hopital.test\r\nTo: accueil@ehpad.test\r\n\
    Subject: Sortie de Mme Fictive\r\n\r\nMme Fictive sort demain\r\n";

#[test]
fn nothing_that_can_be_printed_holds_a_key_or_content() {
    let stage = Stage::new();
    let signer = stage.doctor.identity();
    let recipients = Recipients::visible([stage.home.certificate.clone()]);
    let sealer = Sealer::new(SealPolicy::default()).sign_with(&signer);
    let mut sealed = Vec::new();
    let spool = Spool::from(LETTER.as_bytes());
    let mut said = format!("{spool:?}");
    let report = sealer.seal(spool, &recipients, now(), &mut sealed).unwrap();
    said.push_str(&format!("{report:?} {recipients:?}"));
    let policy = OpenPolicy::default();
    let opener = Opener::new(&policy, &stage.ring, &stage.trust);
    let mut opened = opener
        .open(Spool::file(Cursor::new(sealed)), now())
        .unwrap();
    said.push_str(&format!("{opened:?} {:?}", opened.headers()));
    said.push_str(&format!("{:?} {:?}", opened.signature(), opened.layers()));
    let content = opened.readable();
    said.push_str(&format!("{content:?}"));
    let shown = content.into_vec().unwrap();
    assert!(String::from_utf8_lossy(&shown).contains(SECRET));
    assert!(!said.contains("Fictive"), "{said}");
}

#[test]
fn keys_print_as_what_they_are_and_no_more() {
    let stage = Stage::new();
    for keys in [Keys::rsa(), Keys::p256(), Keys::ml_kem(768)] {
        let person = stage.root.person("a@b.test", &keys, 95);
        let key = PrivateKey::from_pkcs8_der(&person.pkcs8).unwrap();
        let identity = person.identity();
        let ring = Identities::new().with(person.identity());
        let said = format!("{key:?} {identity:?} {ring:?}");
        assert!(said.contains("redacted"), "{said}");
        // No run of octets of the key, in the ways in which Debug writes octets.
        for window in person.pkcs8.windows(6) {
            let decimal = format!("{window:?}");
            let decimal = decimal.trim_matches(['[', ']']);
            let hexadecimal: String = window.iter().map(|o| format!("{o:02x}")).collect();
            let of_spki = keys.spki.windows(6).any(|w| w == window);
            assert!(of_spki || !said.contains(decimal), "octets");
            assert!(
                of_spki || !said.to_lowercase().contains(&hexadecimal),
                "hex"
            );
        }
    }
}

/// The crate's own rule, which no module but `evp` may lift.
#[test]
fn unsafe_code_is_in_one_module() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let mut folders = vec![std::path::PathBuf::from(source)];
    let mut lifted = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read_to_string(&path).unwrap().contains("unsafe {") {
                lifted.push(path);
            }
        }
    }
    assert!(
        lifted
            .iter()
            .all(|path| path.to_string_lossy().contains("/evp/")),
        "{lifted:?}"
    );
    assert!(!lifted.is_empty(), "the search finds what there is");
}
