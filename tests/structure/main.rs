//! The shape of the house: arrows between crates, licences, banned dependencies.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod arrows;
mod dependencies;
mod fuzz_targets;
mod metadata;
