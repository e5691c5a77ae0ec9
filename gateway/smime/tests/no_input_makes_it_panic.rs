//! Octets cut, changed, repeated and inserted anywhere in messages of every form: an answer or a
//! refusal, never a panic, and never a valid signature over something else.

#![allow(clippy::unwrap_used, reason = "a failure here is the test's")]

use crate::territory;

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_smime::{OpenPolicy, Opener, SignatureVerdict, TrustStore};
use proptest::prelude::*;
use territory::{Authority, DOCTOR, HOME, Kind, Openssl, Person, letter, now, seal};

struct Scene {
    home: Person,
    trust: TrustStore,
    /// Header sections with their blank line, and CMS objects.
    objects: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whole messages.
    texts: Vec<Vec<u8>>,
}

fn scene() -> &'static Scene {
    static SCENE: OnceLock<Scene> = OnceLock::new();
    SCENE.get_or_init(|| {
        let root = Authority::root();
        let doctor = root.person(DOCTOR, Kind::P256);
        let home = root.person(HOME, Kind::P256);
        let folder = Openssl::new();
        folder.person("doctor", &doctor);
        folder.person("home", &home);
        folder.write("content", b"Content-Type: text/plain\r\n\r\nx\r\n");
        let sign = "cms -sign -in content -signer doctor.crt -inkey doctor.key";
        let addresses = format!("-from {DOCTOR} -to {HOME} -subject x");
        folder.run(&format!("{sign} -out detached {addresses}"));
        folder.run(&format!("{sign} -nodetach -stream -out opaque {addresses}"));
        let encrypt = "cms -encrypt -recip home.crt -in opaque";
        folder.run(&format!(
            "{encrypt} -aes-256-cbc -stream -out streamed {addresses}"
        ));
        let mut texts = vec![seal(&letter("secret\r\n"), &doctor, &[&home])];
        texts.extend(["detached", "opaque", "streamed"].map(|name| folder.read(name)));
        let objects = texts
            .iter()
            .filter_map(|text| {
                let blank = text
                    .windows(4)
                    .position(|w| w == b"\r\n\r\n")
                    .map(|at| at + 4);
                let cut = blank.or(text.windows(2).position(|w| w == b"\n\n").map(|at| at + 2))?;
                let base64: Vec<u8> = text[cut..]
                    .iter()
                    .copied()
                    .filter(|o| !o.is_ascii_whitespace())
                    .collect();
                Some((text[..cut].to_vec(), STANDARD.decode(base64).ok()?))
            })
            .collect();
        Scene {
            home,
            trust: root.trust(),
            objects,
            texts,
        }
    })
}

#[derive(Debug, Clone)]
enum Edit {
    Set(u8),
    Insert(Vec<u8>),
    Cut(usize),
    Repeat(usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        any::<u8>().prop_map(Edit::Set),
        prop::sample::select(&[0u8, 0x80, 0x30, 0x24, 0xa0, 0xff, b'\n', b';', b'"'][..])
            .prop_map(Edit::Set),
        prop::collection::vec(any::<u8>(), 1..8).prop_map(Edit::Insert),
        (1usize..200).prop_map(Edit::Cut),
        (1usize..200).prop_map(Edit::Repeat),
    ]
}

fn apply(octets: &mut Vec<u8>, edits: &[(prop::sample::Index, Edit)]) {
    for (at, edit) in edits {
        if octets.is_empty() {
            return;
        }
        let at = at.index(octets.len());
        match edit {
            Edit::Set(octet) => octets[at] = *octet,
            Edit::Insert(more) => drop(octets.splice(at..at, more.iter().copied())),
            Edit::Cut(length) => drop(octets.drain(at..(at + length).min(octets.len()))),
            Edit::Repeat(length) => {
                let copy = octets[at..(at + length).min(octets.len())].to_vec();
                drop(octets.splice(at..at, copy));
            }
        }
    }
}

/// Opens; whether a valid signature was found, over what was sent.
fn check(message: &[u8]) -> bool {
    let scene = scene();
    let mut policy = OpenPolicy::default();
    policy.accept_unencrypted = true;
    let ring = scene.home.ring();
    let answer = Opener::new(&policy, &ring, &scene.trust).open(message, now());
    let Ok(mut opened) = answer else {
        return false;
    };
    let valid = matches!(opened.signature(), SignatureVerdict::Valid(_));
    let body = opened.content().into_vec().unwrap();
    let sent = body.ends_with(b"\r\n\r\nx\r\n") || body.ends_with(b"\r\n\r\nsecret\r\n");
    assert!(sent || !valid);
    valid
}

#[test]
fn the_unedited_messages_are_valid() {
    assert_eq!(scene().objects.len(), 3);
    assert!(scene().texts.iter().all(|text| check(text)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn edited_objects(
        which in 0usize..3,
        edits in prop::collection::vec((any::<prop::sample::Index>(), edit()), 1..6),
    ) {
        let (head, object) = &scene().objects[which];
        let mut object = object.clone();
        apply(&mut object, &edits);
        check(&[&head[..], STANDARD.encode(&object).as_bytes(), b"\r\n"].concat());
    }

    #[test]
    fn edited_messages(
        which in 0usize..4,
        edits in prop::collection::vec((any::<prop::sample::Index>(), edit()), 1..6),
    ) {
        let mut message = scene().texts[which].clone();
        apply(&mut message, &edits);
        check(&message);
    }
}
