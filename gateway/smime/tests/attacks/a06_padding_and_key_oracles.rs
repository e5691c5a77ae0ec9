//! Attack 6: Bleichenbacher's probes, keys of a wrong length, two entries of which the second
//! probes (CVE-2026-42768), a recipient who is not here. One answer, one private operation.
//! (That it takes the same time is `the_time_to_refuse_tells_nothing`.)

use std::cell::Cell;
use std::sync::Arc;

use liaison_smime::{
    Certificate, DecryptionKey, Identities, KeyRing, OpenPolicy, Opener, RecipientId, Refusal,
    RsaPadding,
};
use zeroize::Zeroizing;

use crate::forge::{Stage, cms, mail, now, rsa};

thread_local! {
    static OPERATIONS: Cell<usize> = const { Cell::new(0) };
}

/// A ring whose keys count their operations.
struct Counting(Identities);

struct CountingKey(Arc<dyn DecryptionKey>);

impl KeyRing for Counting {
    fn find(&self, recipient: &RecipientId<'_>) -> Option<Arc<dyn DecryptionKey>> {
        Some(Arc::new(CountingKey(self.0.find(recipient)?)))
    }
}

fn count() {
    OPERATIONS.with(|n| n.set(n.get() + 1));
}

impl DecryptionKey for CountingKey {
    fn certificate(&self) -> &Certificate {
        self.0.certificate()
    }

    fn decrypt_rsa(&self, padding: RsaPadding<'_>, block: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        count();
        self.0.decrypt_rsa(padding, block)
    }

    fn agree(&self, point: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        count();
        self.0.agree(point)
    }

    fn decapsulate(&self, ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        count();
        self.0.decapsulate(ciphertext)
    }
}

/// The answer to an envelope with these entries, and how many private operations it took.
fn answer(stage: &Stage, recipients: &[Vec<u8>]) -> (Result<(), Refusal>, usize) {
    OPERATIONS.with(|n| n.set(0));
    let object = cms::honest_gcm(recipients, &stage.signed_entity());
    let policy = OpenPolicy::default();
    let ring = Counting(stage.home.ring());
    let opened = Opener::new(&policy, &ring, &stage.trust).open(mail(&object), now());
    (opened.map(|_| ()), OPERATIONS.with(Cell::get))
}

/// Every wrong block of RFC 8017 §7.2.2, encrypted.
fn probes(stage: &Stage) -> Vec<(&'static str, Vec<u8>)> {
    let key = cms::KEY_256;
    let honest = rsa::block(256, 2, &key);
    let altered = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut block = honest.clone();
        change(&mut block);
        rsa::encrypt_raw(&stage.home, &block)
    };
    vec![
        ("block type 1", altered(&|b| b[1] = 1)),
        ("block type 0", altered(&|b| b[1] = 0)),
        ("first octet", altered(&|b| b[0] = 1)),
        ("zero in the padding", altered(&|b| b[5] = 0)),
        ("zero at the ninth", altered(&|b| b[9] = 0)),
        ("no separator", altered(&|b| b[256 - 33] = 7)),
        ("all zero", vec![0; 256]),
        (
            "one",
            rsa::encrypt_raw(&stage.home, &{
                let mut one = vec![0; 256];
                one[255] = 1;
                one
            }),
        ),
        ("noise", vec![0x55; 256]),
        ("above the modulus", vec![0xff; 256]),
        ("short", vec![0x55; 255]),
        ("long", vec![0x55; 257]),
        ("empty", Vec::new()),
        (
            "a key of 31",
            rsa::encrypt_raw(&stage.home, &rsa::block(256, 2, &key[1..])),
        ),
        (
            "no key",
            rsa::encrypt_raw(&stage.home, &rsa::block(256, 2, b"")),
        ),
        (
            "another key",
            rsa::encrypt_raw(&stage.home, &rsa::block(256, 2, &[9; 32])),
        ),
    ]
}

#[test]
fn every_probe_gets_the_same_answer_for_the_same_work() {
    let stage = Stage::new();
    let entry = |block: &[u8]| cms::key_transport(stage.home.rid(), cms::rsa_encryption(), block);
    let honest = rsa::encrypt_raw(&stage.home, &rsa::block(256, 2, &cms::KEY_256));
    assert_eq!(
        answer(&stage, &[entry(&honest)]),
        (Ok(()), 1),
        "raw RSA is right"
    );
    for (why, block) in probes(&stage) {
        let (refusal, operations) = answer(&stage, &[entry(&block)]);
        assert_eq!(refusal, Err(Refusal::CannotOpen), "{why}");
        assert_eq!(operations, 1, "{why}");
        let refusal = refusal.unwrap_err();
        assert_eq!(refusal.to_string(), Refusal::CannotOpen.to_string());
        assert_eq!(refusal.enhanced_status(), "5.7.5");
        // A second entry that would open must not be tried: its success would tell.
        let two = answer(&stage, &[entry(&block), entry(&honest)]);
        assert_eq!(
            two,
            (Err(Refusal::CannotOpen), 1),
            "{why}, then an honest one"
        );
    }
    // OAEP probes the same way.
    let method = || cms::oaep_algorithm(cms::SHA256, cms::SHA256);
    for (why, block) in probes(&stage) {
        let entry = cms::key_transport(stage.home.rid(), method(), &block);
        assert_eq!(
            answer(&stage, &[entry]),
            (Err(Refusal::CannotOpen), 1),
            "OAEP {why}"
        );
    }
}

#[test]
fn an_unknown_recipient_gets_the_same_answer() {
    let stage = Stage::new();
    let entry = cms::pkcs1(&stage.home, &cms::KEY_256);
    let mut stranger = entry.clone();
    // The serial number: the last octet of the issuer and serial.
    let rid = stage.home.rid();
    let at = entry.windows(rid.len()).position(|w| w == rid).unwrap() + rid.len() - 1;
    stranger[at] ^= 1;
    let (refusal, operations) = answer(&stage, &[stranger.clone()]);
    assert_eq!((refusal, operations), (Err(Refusal::CannotOpen), 0));
    // Beside strangers, the home's own entry is found and opens.
    assert_eq!(answer(&stage, &[stranger, entry]), (Ok(()), 1));
}
