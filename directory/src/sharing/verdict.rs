//! What becomes of a checkpoint and of a record, each by name.

use std::fmt;

/// Declares verdicts with the word that stands for each in tables, metrics and answers.
macro_rules! verdicts {
    ($(#[$doc:meta])* $name:ident { $($(#[$one:meta])* $case:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$one])* $case,)*
        }

        impl $name {
            /// Every verdict.
            pub const ALL: &[Self] = &[$(Self::$case,)*];

            /// The word that stands for it.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$case => $word,)*
                }
            }

            /// The verdict that a word stands for.
            #[must_use]
            pub fn of(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.word() == word)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

verdicts! {
    /// What became of a poll of somebody's log.
    LogVerdict {
        /// There is nothing new, and the log vouched for it lately.
        Current = "current",
        /// New entries were taken.
        Taken = "taken",
        /// As current or taken, but fewer witnesses cosigned than the settings ask for, and they
        /// say to go on.
        TakenUnwitnessed = "taken_unwitnessed",
        /// Fewer witnesses cosigned than the settings ask for: nothing was taken.
        Unwitnessed = "unwitnessed",
        /// What is known is right but old: the log has not vouched for it within the limit.
        Stale = "stale",
        /// Nobody answered.
        Unreachable = "unreachable",
        /// What came is no checkpoint.
        Malformed = "malformed",
        /// A checkpoint of another log.
        WrongOrigin = "wrong_origin",
        /// A signature in the name of the log's key that does not verify.
        BadSignature = "bad_signature",
        /// Signed only by keys that neither the settings nor the log itself name.
        UnknownKey = "unknown_key",
        /// Signed by a key that the log has given up.
        RetiredKey = "retired_key",
        /// Signed by a key that the settings name and the one before has not vouched for: it waits.
        KeyHeld = "key_held",
        /// The log did not say when it vouched for this.
        Undated = "undated",
        /// Vouched for in the future.
        Postdated = "postdated",
        /// An earlier checkpoint shown again.
        Replayed = "replayed",
        /// The log itself vouched, later, for fewer entries than before.
        Truncated = "truncated",
        /// Two histories, both signed: what was seen does not begin what is shown now.
        SplitView = "split_view",
        /// The entries are not those that the checkpoint is over.
        ForgedTile = "forged_tile",
        /// A part is larger than it may be.
        Oversized = "oversized",
        /// A record is not the one that was committed to.
        ForgedRecord = "forged_record",
        /// A record is missing that the log has not erased.
        Withheld = "withheld",
        /// Found by the owner: a replica shows a checkpoint that its log never published.
        ForeignCheckpoint = "foreign_checkpoint",
        /// Found by the owner: a replica shows a certificate that its log never published.
        ForeignCertificate = "foreign_certificate",
        /// Found by the owner: a replica shows a mailbox that its log never published.
        ForeignMailbox = "foreign_mailbox",
        /// Found by the owner: a replica does not show a mailbox that the log publishes.
        NotShown = "not_shown",
        /// Found by the owner: a replica is behind by more than the limit.
        ReplicaBehind = "replica_behind",
        /// Found by a witness: asked to cosign what does not grow from what it cosigned before.
        Inconsistent = "inconsistent",
    }
}

impl LogVerdict {
    /// Whether what is known was confirmed or grew.
    #[must_use]
    pub fn is_good(self) -> bool {
        matches!(self, Self::Current | Self::Taken | Self::TakenUnwitnessed)
    }

    /// Whether somebody lies, or a key was stolen: kept as evidence, and somebody must look.
    #[must_use]
    pub fn is_alarm(self) -> bool {
        !self.is_good() && !matches!(self, Self::Stale | Self::Unreachable | Self::Unwitnessed)
    }
}

verdicts! {
    /// What became of one record of a log.
    RecordVerdict {
        /// Believed and shown, as far as the fold believes an owner.
        Accepted = "accepted",
        /// A key that nobody has vouched for yet: it waits, and the one before goes on being used.
        Held = "held",
        /// Says what the log says already.
        Duplicate = "duplicate",
        /// About something that the organisation may not speak for.
        Unauthorised = "unauthorised",
        /// About a domain that looks like one of the organisation's own and is another.
        LookAlike = "look_alike",
        /// Dated before the record before it.
        Backdated = "backdated",
        /// Dated in the future.
        Postdated = "postdated",
        /// Not a certificate for that mailbox, or not the one that it is named as.
        WrongCertificate = "wrong_certificate",
        /// Not a record.
        Unreadable = "unreadable",
        /// Erased by the log, which says so.
        Erased = "erased",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stands_for_one_verdict() {
        for verdict in LogVerdict::ALL {
            assert_eq!(LogVerdict::of(verdict.word()), Some(*verdict));
        }
        for verdict in RecordVerdict::ALL {
            assert_eq!(RecordVerdict::of(verdict.word()), Some(*verdict));
        }
        assert_eq!(LogVerdict::of("fine"), None);
    }
}
