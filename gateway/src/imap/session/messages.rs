//! Commands on the messages of the selected folder (RFC 3501 §6.4, RFC 4315, RFC 6851).

use std::collections::{BTreeSet, HashSet, VecDeque};

use imap_codec::imap_types::core::Charset;
use imap_codec::imap_types::flag::{Flag, StoreResponse, StoreType};
use imap_codec::imap_types::mailbox::Mailbox as Name;
use imap_codec::imap_types::search::SearchKey;
use imap_codec::imap_types::sequence::SequenceSet;

use super::folders::folder_name;
use super::{Answer, Session};
use crate::imap::fetch::Items;
use crate::imap::search::{Candidate, needs_content};
use crate::imap::view::View;
use crate::imap::write;
use crate::mailbox::message::MAX_KEYWORD;
use crate::mailbox::{Change, Flags, Mailbox, MailboxError};

/// Octets of an answer written before they are sent.
const PIECE: usize = 64 * 1024;
/// Most messages of one COPY or MOVE, which is one commit.
const MAX_COPIED: usize = 10_000;

const NO_SUCH_NUMBERS: Answer = Answer::Bad("There are no such message numbers");
const READ_ONLY: &str = "[READ-ONLY] The folder is open for reading only";

/// A FETCH under way: its answer is sent message by message.
pub(super) struct Fetching {
    tag: String,
    items: Items,
    uids: VecDeque<u32>,
    uid: bool,
}

impl Session {
    pub(super) fn start_fetch(
        &mut self,
        tag: &str,
        set: &SequenceSet,
        items: Option<Items>,
        uid: bool,
    ) -> Answer {
        let Some(items) = items else {
            return Answer::Bad("Unknown or too many items");
        };
        let Some(uids) = self.view.as_ref().and_then(|view| view.resolve(set, uid)) else {
            return NO_SUCH_NUMBERS;
        };
        self.fetching = Some(Fetching {
            tag: tag.to_owned(),
            items,
            uids: uids.into(),
            uid,
        });
        Answer::Later
    }

    /// Writes the next piece of the answer under way.
    pub(in crate::imap) async fn more(&mut self) {
        let Some(mut fetching) = self.fetching.take() else {
            return;
        };
        while self.out.len() < PIECE {
            let Some(uid) = fetching.uids.pop_front() else {
                self.refresh(fetching.uid).await;
                return self.finish(&fetching.tag, Answer::ok("FETCH done"));
            };
            if let Err(error) = self.fetch_one(&fetching.items, uid).await {
                return self.finish(&fetching.tag, Err(error).into());
            }
        }
        self.fetching = Some(fetching);
    }

    async fn fetch_one(&mut self, items: &Items, uid: u32) -> Result<(), MailboxError> {
        let (Some(user), Some(view)) = (&self.user, &mut self.view) else {
            return Ok(());
        };
        let content = if items.need_content() {
            match user.mailbox.content(view.folder.validity, uid).await? {
                Some(content) => content,
                // Expunged by another session: the end of the command will tell.
                None => return Ok(()),
            }
        } else {
            Vec::new()
        };
        let Some(at) = view.position(uid) else {
            return Ok(());
        };
        let unseen = !view.entries[at].flags.has(Flags::SEEN);
        if unseen && items.mark_seen() && !view.read_only {
            let seen = Flags {
                bits: Flags::SEEN,
                ..Flags::default()
            };
            let changed = user
                .mailbox
                .store_flags(
                    view.folder.validity,
                    &[uid],
                    (Change::Add, seen),
                    &user.account.user,
                )
                .await?;
            view.update(changed);
            let items = items.with_flags();
            write_one(&items, view, at, &content, &mut self.out);
        } else {
            write_one(items, view, at, &content, &mut self.out);
        }
        Ok(())
    }

    pub(super) async fn store(
        &mut self,
        (set, uid): (&SequenceSet, bool),
        (kind, response): (StoreType, StoreResponse),
        flags: &[Flag<'_>],
    ) -> Answer {
        let Some(by) = read_flags(flags) else {
            return Answer::Bad("These flags cannot be set");
        };
        let (Some(user), Some(view)) = (&self.user, &mut self.view) else {
            return Answer::Bad("Select a folder first");
        };
        if view.read_only {
            return Answer::No(READ_ONLY.to_owned());
        }
        let Some(uids) = view.resolve(set, uid) else {
            return NO_SUCH_NUMBERS;
        };
        let change = match kind {
            StoreType::Replace => Change::Replace,
            StoreType::Add => Change::Add,
            StoreType::Remove => Change::Remove,
        };
        let stored = user
            .mailbox
            .store_flags(
                view.folder.validity,
                &uids,
                (change, by),
                &user.account.user,
            )
            .await;
        match stored {
            Ok(changed) => {
                view.update(changed);
                if response == StoreResponse::Answer {
                    for one in uids {
                        view.write_fetch_flags(one, uid, &mut self.out);
                    }
                }
            }
            Err(error) => return Err(error).into(),
        }
        self.refresh(uid).await;
        Answer::ok("STORE done")
    }

    pub(super) async fn search(
        &mut self,
        charset: Option<Charset<'_>>,
        keys: &[SearchKey<'_>],
        uid: bool,
    ) -> Answer {
        if let Some(charset) = charset {
            let name = match &charset {
                Charset::Atom(name) => name.as_ref(),
                Charset::Quoted(name) => name.as_ref(),
            };
            let known = ["UTF-8", "US-ASCII"];
            if !known.iter().any(|one| one.eq_ignore_ascii_case(name)) {
                return Answer::No("[BADCHARSET (UTF-8 US-ASCII)] Unknown charset".to_owned());
            }
        }
        let Some((mailbox, view)) = self.mailbox().zip(self.view.as_ref()) else {
            return Answer::Bad("Select a folder first");
        };
        let found = match find(&mailbox, view, keys).await {
            Ok(found) => found,
            Err(error) => return Err(error).into(),
        };
        let mut line = "* SEARCH".to_owned();
        for (number, one) in found {
            use std::fmt::Write as _;
            // Writing to a string does not fail.
            let _ = write!(line, " {}", if uid { one } else { number });
        }
        line.push_str("\r\n");
        self.text(&line);
        self.refresh(uid).await;
        Answer::ok("SEARCH done")
    }

    pub(super) async fn copy(
        &mut self,
        (set, uid): (&SequenceSet, bool),
        to: &Name<'_>,
        moving: bool,
    ) -> Answer {
        let Some((mailbox, to)) = self.mailbox().zip(folder_name(to)) else {
            return Answer::Bad("This is no folder name");
        };
        let Some(view) = &mut self.view else {
            return Answer::Bad("Select a folder first");
        };
        if moving && view.read_only {
            return Answer::No(READ_ONLY.to_owned());
        }
        let Some(uids) = view.resolve(set, uid) else {
            return NO_SUCH_NUMBERS;
        };
        if uids.len() > MAX_COPIED {
            return Answer::No("[LIMIT] At most 10000 messages at once".to_owned());
        }
        let to = match mailbox.folder(&to).await {
            Ok(folder) => folder.validity,
            Err(MailboxError::NoFolder) => {
                return Answer::No("[TRYCREATE] No such folder".to_owned());
            }
            Err(error) => return Err(error).into(),
        };
        let from = view.folder.validity;
        let copied = match mailbox.copy(from, uids, to, moving).await {
            Ok(copied) => copied,
            Err(error) => return Err(error).into(),
        };
        // Messages that vanished meanwhile are passed over: to refuse would leave phantoms on
        // Apple's clients.
        let code = if copied.is_empty() {
            String::new()
        } else {
            let old = write::uid_set(copied.iter().map(|(old, _)| *old));
            let new = write::uid_set(copied.iter().map(|(_, new)| *new));
            format!("[COPYUID {to} {old} {new}] ")
        };
        if moving {
            if !copied.is_empty() {
                self.text(&format!("* OK {code}Moved\r\n"));
            }
            self.refresh(true).await;
            return Answer::ok("MOVE done");
        }
        self.refresh(true).await;
        Answer::Ok(format!("{code}COPY done"))
    }

    pub(super) async fn expunge(&mut self, set: Option<&SequenceSet>) -> Answer {
        if self.view.as_ref().is_some_and(|view| view.read_only) {
            return Answer::No(READ_ONLY.to_owned());
        }
        self.refresh(true).await;
        match self.expunge_marked(set).await {
            Ok(()) => {
                self.refresh(true).await;
                Answer::ok("EXPUNGE done")
            }
            Err(error) => Err(error).into(),
        }
    }

    /// CLOSE expunges without telling (RFC 3501 §6.4.2).
    pub(super) async fn close(&mut self) -> Answer {
        let read_only = self.view.as_ref().is_some_and(|view| view.read_only);
        let expunged = if read_only {
            Ok(())
        } else {
            self.expunge_marked(None).await
        };
        self.view = None;
        expunged.map(|()| Answer::ok("CLOSE done")).into()
    }

    async fn expunge_marked(&mut self, set: Option<&SequenceSet>) -> Result<(), MailboxError> {
        let Some((mailbox, view)) = self.mailbox().zip(self.view.as_ref()) else {
            return Ok(());
        };
        let named: Option<HashSet<u32>> = set
            .and_then(|set| view.resolve(set, true))
            .map(HashSet::from_iter);
        let marked = view
            .entries
            .iter()
            .filter(|entry| entry.flags.has(Flags::DELETED))
            .map(|entry| entry.uid)
            .filter(|uid| named.as_ref().is_none_or(|named| named.contains(uid)))
            .collect();
        mailbox.expunge(view.folder.validity, marked, true).await?;
        Ok(())
    }
}

fn write_one(items: &Items, view: &View, at: usize, content: &[u8], out: &mut Vec<u8>) {
    let entry = &view.entries[at];
    items.write(out, at + 1, (entry, view.is_recent(entry.uid)), content);
}

/// The messages that match, by number and uid. One content at a time is in memory.
async fn find(
    mailbox: &Mailbox,
    view: &View,
    keys: &[SearchKey<'_>],
) -> Result<Vec<(u32, u32)>, MailboxError> {
    let need_content = keys.iter().any(needs_content);
    let (cheap, dear): (Vec<SearchKey<'_>>, Vec<SearchKey<'_>>) =
        keys.iter().cloned().partition(|key| !needs_content(key));
    let mut found = Vec::new();
    for (number, entry) in (1_u32..).zip(&view.entries) {
        if !Candidate::new(entry, &[]).matches_all(&cheap, view) {
            continue;
        }
        if need_content {
            let folder = view.folder.validity;
            let Some(content) = mailbox.content(folder, entry.uid).await? else {
                continue;
            };
            if !Candidate::new(entry, &content).matches_all(&dear, view) {
                continue;
            }
            tokio::task::yield_now().await;
        }
        found.push((number, entry.uid));
    }
    Ok(found)
}

/// Flags that a client may set; `None` when one is not among them: \Recent is the server's, and
/// unknown system flags do not exist (RFC 3501 §2.3.2).
pub(super) fn read_flags(flags: &[Flag<'_>]) -> Option<Flags> {
    let mut bits = 0;
    let mut keywords = BTreeSet::new();
    for flag in flags {
        bits |= match flag {
            Flag::Answered => Flags::ANSWERED,
            Flag::Deleted => Flags::DELETED,
            Flag::Draft => Flags::DRAFT,
            Flag::Flagged => Flags::FLAGGED,
            Flag::Seen => Flags::SEEN,
            Flag::Extension(_) => return None,
            Flag::Keyword(keyword) => {
                let keyword = keyword.as_ref();
                if keyword.len() > MAX_KEYWORD {
                    return None;
                }
                keywords.insert(keyword.to_owned());
                0
            }
        };
    }
    Some(Flags { bits, keywords })
}
