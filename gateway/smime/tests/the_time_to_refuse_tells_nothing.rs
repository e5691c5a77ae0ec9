//! Messages with bad padding, with a key of a wrong length and with a wrong key: one answer, one
//! text, and no difference in time that a caller could see.
//!
//! The usual run asks for the answers only. With `LIAISON_LONG=1` a million messages are timed,
//! the classes mixed at random, and the classes are compared two by two with Welch's t-test as
//! dudect does (Reparaz, Balasch and Verbauwhede 2017): over all times, and over the times below
//! several percentiles, where noise from elsewhere is cut off. |t| stays under 4.5.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement that reads the time and prints what it found"
)]

#[path = "attacks/forge/mod.rs"]
mod forge;

use std::hint::black_box;
use std::time::Instant;

use aws_lc_rs::rand;
use forge::{Stage, cms, mail, rsa};
use liaison_smime::Refusal;

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// The block does not decrypt to RSAES-PKCS1-v1_5 padding.
    BadPadding,
    /// The padding is good, the key inside has 31 octets.
    WrongLength,
    /// The padding is good, the key inside is not that of the content.
    WrongKey,
}

const CLASSES: [Class; 3] = [Class::BadPadding, Class::WrongLength, Class::WrongKey];

/// Messages of each class that are at hand. Each is timed once and another takes its place: a
/// message that takes longer than others for what it is, whatever its class, counts once.
const POOL: usize = 256;

fn message(stage: &Stage, content: &[u8], class: Class) -> Vec<u8> {
    let mut key = [0u8; 32];
    rand::fill(&mut key).unwrap();
    let block = match class {
        Class::BadPadding => {
            let mut block = rsa::block(256, 2, &key);
            block[1] = 1;
            block
        }
        Class::WrongLength => rsa::block(256, 2, &key[1..]),
        Class::WrongKey => rsa::block(256, 2, &key),
    };
    let block = rsa::encrypt_raw(&stage.home, &block);
    let entry = cms::key_transport(stage.home.rid(), cms::rsa_encryption(), &block);
    mail(&cms::honest_gcm(&[entry], content))
}

fn pools(stage: &Stage, content: &[u8], each: usize) -> [Vec<Vec<u8>>; 3] {
    CLASSES.map(|class| (0..each).map(|_| message(stage, content, class)).collect())
}

#[test]
fn the_answer_is_one() {
    let stage = Stage::new();
    let pools = pools(&stage, &stage.signed_entity(), 20);
    let length = pools[0][0].len();
    for message in pools.iter().flatten() {
        assert_eq!(message.len(), length);
        let refusal = stage.open(message).unwrap_err();
        assert_eq!(refusal, Refusal::CannotOpen);
        assert_eq!(refusal.to_string(), Refusal::CannotOpen.to_string());
        assert_eq!(format!("{refusal:?}"), "CannotOpen");
        assert_eq!(refusal.enhanced_status(), "5.7.5");
    }
}

#[test]
fn the_time_is_one() {
    if std::env::var("LIAISON_LONG").is_ok_and(|v| v == "1") {
        let count = std::env::var("LIAISON_TIMED").map_or(1_000_000, |n| n.parse().unwrap());
        compare(&measure(count));
    }
}

/// Nanoseconds of each refusal, by class.
fn measure(count: usize) -> [Vec<f64>; 3] {
    let stage = Stage::new();
    let content = stage.signed_entity();
    let mut pools = pools(&stage, &content, POOL);
    let mut times: [Vec<f64>; 3] = Default::default();
    // One buffer for all: no message lies better in memory than another.
    let mut message = pools[0][0].clone();
    let mut dice = Dice::new();
    for round in 0..count + 1000 {
        let class = dice.below(3);
        let place = dice.below(POOL);
        message.copy_from_slice(&pools[class][place]);
        let start = Instant::now();
        let answer = black_box(stage.open(black_box(&message)));
        let taken = start.elapsed().as_nanos() as f64;
        assert_eq!(answer.err(), Some(Refusal::CannotOpen));
        // The first thousand warm the caches.
        if round >= 1000 {
            times[class].push(taken);
        }
        // The class of the next one is independent of this one's: what making it leaves behind in
        // caches tells nothing.
        pools[class][place] = self::message(&stage, &content, CLASSES[class]);
    }
    times
}

fn compare(times: &[Vec<f64>; 3]) {
    let mut all: Vec<f64> = times.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    println!(
        "{} refusals, median {:.0} ns",
        all.len(),
        all[all.len() / 2]
    );
    let mut worst: f64 = 0.0;
    for percentile in [10, 25, 50, 75, 90, 95, 99, 100] {
        let limit = all[(all.len() - 1) * percentile / 100];
        let cropped = times.each_ref().map(|class| {
            class
                .iter()
                .copied()
                .filter(|t| *t <= limit)
                .collect::<Vec<_>>()
        });
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            let (t, difference) = welch(&cropped[a], &cropped[b]);
            println!(
                "below {percentile:3} %: {:?} and {:?}: t = {t:+.2}, means differ by {difference:+.0} ns",
                CLASSES[a], CLASSES[b]
            );
            worst = worst.max(t.abs());
        }
    }
    println!("the largest |t| is {worst:.2}");
    assert!(worst < 4.5, "the time tells the classes apart");
}

/// Welch's t, and the difference of the means.
fn welch(a: &[f64], b: &[f64]) -> (f64, f64) {
    let moments = |values: &[f64]| {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean, variance / n)
    };
    let ((mean_a, error_a), (mean_b, error_b)) = (moments(a), moments(b));
    let difference = mean_a - mean_b;
    (difference / (error_a + error_b).sqrt(), difference)
}

/// xorshift64*, seeded by the system: the order must not follow the messages.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let mut seed = [0; 8];
        rand::fill(&mut seed).unwrap();
        Self(u64::from_le_bytes(seed) | 1)
    }

    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }
}
