//! The states of RFC 3501 §3 and what each command does in them. Octets in, octets out: no socket,
//! no clock.
//!
//! A session begins without a user, gets one by LOGIN or AUTHENTICATE (`login`), works on folders
//! (`folders`), and on messages once a folder is selected (`messages`).

mod folders;
mod login;
mod messages;

use std::net::IpAddr;
use std::sync::Arc;

use imap_codec::CommandCodec;
use imap_codec::decode::Decoder as _;
use imap_codec::imap_types::command::CommandBody;
use tokio::sync::watch;

use super::MAX_APPEND;
use super::fetch::Items;
use super::frame::{Limits, Mode, tag, verb};
use super::list::Verb;
use super::view::View;
use super::write;
use crate::accounts::{Account, Accounts};
use crate::mailbox::{Mailbox, MailboxError, Mailboxes};
use login::Sasl;
use messages::Fetching;

/// Commands that a peer may get wrong in a row.
const MAX_ERRORS: u32 = 20;

/// What sessions share.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) mailboxes: Mailboxes,
    pub(super) accounts: Accounts,
}

/// One session.
pub(super) struct Session {
    number: u64,
    remote: IpAddr,
    site: Site,
    out: Vec<u8>,
    user: Option<User>,
    view: Option<View>,
    expecting: Expecting,
    fetching: Option<Fetching>,
    failed_logins: u32,
    errors: u32,
    closed: bool,
}

/// Who has logged in, and to which mailbox.
struct User {
    account: Arc<Account>,
    mailbox: Mailbox,
    wakes: watch::Receiver<u64>,
}

/// What the next octets are.
enum Expecting {
    Command,
    /// The answer to a challenge.
    Sasl(Sasl),
    /// DONE, which ends the IDLE of this tag (RFC 2177).
    Done(String),
}

/// The end of a command.
enum Answer {
    Ok(String),
    No(String),
    Bad(&'static str),
    /// Nothing yet: more octets or more steps are needed.
    Later,
}

impl Answer {
    fn ok(text: &str) -> Self {
        Self::Ok(text.to_owned())
    }
}

impl From<Result<Self, MailboxError>> for Answer {
    fn from(result: Result<Self, MailboxError>) -> Self {
        match result {
            Ok(answer) => answer,
            Err(error) => {
                if !error.is_refusal() {
                    tracing::error!(%error, "mailbox failure");
                }
                let code = match error {
                    MailboxError::NoFolder => "[NONEXISTENT] ",
                    MailboxError::FolderExists => "[ALREADYEXISTS] ",
                    MailboxError::FolderName | MailboxError::Protected => "[CANNOT] ",
                    MailboxError::TooManyFolders => "[LIMIT] ",
                    _ => "[SERVERBUG] ",
                };
                Self::No(format!("{code}{}", error.public()))
            }
        }
    }
}

impl Session {
    /// A session whose greeting waits to be sent.
    pub(super) fn new(number: u64, remote: IpAddr, site: Site) -> Self {
        let mut session = Self {
            number,
            remote,
            site,
            out: Vec::new(),
            user: None,
            view: None,
            expecting: Expecting::Command,
            fetching: None,
            failed_logins: 0,
            errors: 0,
            closed: false,
        };
        let greeting = format!("* OK [CAPABILITY {}] Liaison\r\n", session.capabilities());
        session.text(&greeting);
        session
    }

    /// How the next octets are to be cut.
    pub(super) fn mode(&self) -> Mode {
        match self.expecting {
            Expecting::Command => Mode::Command,
            Expecting::Sasl(_) | Expecting::Done(_) => Mode::Line,
        }
    }

    /// What the peer may send now: little before it has logged in.
    pub(super) fn limits(&self) -> Limits {
        if self.user.is_none() {
            return Limits {
                lines: 4 * 1024,
                literals: 1024,
                append: 0,
            };
        }
        Limits {
            lines: 64 * 1024,
            literals: 16 * 1024,
            append: MAX_APPEND,
        }
    }

    /// Whether the connection is to be closed once the output is sent.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether somebody has logged in.
    pub(super) fn is_logged_in(&self) -> bool {
        self.user.is_some()
    }

    /// The octets to send.
    pub(super) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Lets the peer send the literal that it announced.
    pub(super) fn give_leave(&mut self) {
        self.text("+ OK\r\n");
    }

    /// Refuses a command that is too large to be read.
    pub(super) fn refuse(&mut self, tag: &str, close: bool) {
        let (connection, remote) = (self.number, self.remote);
        tracing::warn!(connection, %remote, reason = "command or literal too large", "IMAP command refused");
        let answer = if self.user.is_some() {
            Answer::No("[TOOBIG] The command or the message is too large".to_owned())
        } else {
            Answer::Bad("The command is too large")
        };
        self.finish(tag, answer);
        if close {
            self.bye("What follows cannot be read");
        }
    }

    /// Ends the session.
    pub(super) fn bye(&mut self, text: &str) {
        self.text(&format!("* BYE {text}\r\n"));
        self.closed = true;
    }

    /// Whether an answer is under way that [`Session::more`] continues.
    pub(super) fn has_more(&self) -> bool {
        self.fetching.is_some() && !self.closed
    }

    /// Resolves when the session idles and something happened in its mailbox.
    pub(super) async fn waking(&mut self) {
        match (&self.expecting, &mut self.user) {
            (Expecting::Done(_), Some(user)) => {
                if user.wakes.changed().await.is_err() {
                    // The mailbox was erased: there is nothing to wake for.
                    std::future::pending::<()>().await;
                }
            }
            _ => std::future::pending().await,
        }
    }

    /// Tells an idling peer what happened.
    pub(super) async fn woken(&mut self) {
        self.refresh(true).await;
    }

    /// Takes in a whole command, or a whole line when one is expected.
    pub(super) async fn whole(&mut self, octets: &[u8]) {
        match std::mem::replace(&mut self.expecting, Expecting::Command) {
            Expecting::Command => self.command(octets).await,
            Expecting::Sasl(sasl) => self.sasl_answer(sasl, octets).await,
            Expecting::Done(tag) if octets.trim_ascii().eq_ignore_ascii_case(b"DONE") => {
                self.finish(&tag, Answer::ok("IDLE ended"));
            }
            Expecting::Done(tag) => self.finish(&tag, Answer::Bad("DONE was expected")),
        }
    }

    async fn command(&mut self, octets: &[u8]) {
        let tag = tag(octets);
        if let Some(verb) = Verb::of(verb(octets)) {
            let answer = match (&self.user, arguments(octets)) {
                (Some(_), Some(arguments)) => self.list(verb, arguments).await,
                (Some(_), None) => Answer::Bad("Arguments are missing"),
                (None, _) => Answer::Bad("Log in first"),
            };
            return self.finish(&tag, answer);
        }
        let decoded = CommandCodec::default().decode(octets);
        match decoded {
            Ok(([], command)) => {
                let answer = self.dispatch(&tag, command.body).await;
                self.finish(&tag, answer);
            }
            _ => {
                let answer = self.outlook_peek(&tag, octets).await;
                self.finish(&tag, answer);
            }
        }
    }

    /// Outlook sends `UID FETCH n (UID RFC822.SIZE RFC822.PEEK)`, an item of RFC 1730. Whatever
    /// else does not parse is an error of the peer.
    async fn outlook_peek(&mut self, tag: &str, octets: &[u8]) -> Answer {
        const PEEK: &[u8] = b"RFC822.PEEK";
        const UNKNOWN: Answer = Answer::Bad("Unknown command or arguments");
        let Some(at) = octets.windows(PEEK.len()).position(|some| some == PEEK) else {
            return UNKNOWN;
        };
        let mut known = octets.to_vec();
        known[at..at + PEEK.len()].copy_from_slice(b"RFC822.SIZE");
        match CommandCodec::default().decode(&known) {
            Ok(([], command)) => match command.body {
                CommandBody::Fetch {
                    sequence_set, uid, ..
                } if self.view.is_some() => {
                    self.start_fetch(tag, &sequence_set, Some(Items::outlook()), uid)
                }
                _ => UNKNOWN,
            },
            _ => UNKNOWN,
        }
    }

    async fn dispatch(&mut self, tag: &str, body: CommandBody<'_>) -> Answer {
        match body {
            CommandBody::Capability => {
                let line = format!("* CAPABILITY {}\r\n", self.capabilities());
                self.text(&line);
                Answer::ok("CAPABILITY done")
            }
            CommandBody::Noop => {
                self.refresh(true).await;
                Answer::ok("NOOP done")
            }
            CommandBody::Logout => {
                self.bye("Goodbye");
                Answer::ok("LOGOUT done")
            }
            CommandBody::Id { parameters } => {
                self.log_client(parameters.unwrap_or_default());
                self.text("* ID (\"name\" \"Liaison\")\r\n");
                Answer::ok("ID done")
            }
            CommandBody::Login { .. } | CommandBody::Authenticate { .. } if self.user.is_some() => {
                Answer::Bad("Somebody has logged in already")
            }
            CommandBody::Login { username, password } => {
                let password = password.declassify().as_ref().to_vec();
                self.login(username.as_ref(), password.into()).await
            }
            CommandBody::Authenticate {
                mechanism,
                initial_response,
            } => {
                let initial = initial_response.map(|one| one.declassify().to_vec().into());
                self.authenticate(tag, mechanism.as_ref(), initial).await
            }
            _ if self.user.is_none() => Answer::Bad("Log in first"),
            body => self.dispatch_logged_in(tag, body).await,
        }
    }

    async fn dispatch_logged_in(&mut self, tag: &str, body: CommandBody<'_>) -> Answer {
        match body {
            CommandBody::Enable { .. } => {
                self.text("* ENABLED\r\n");
                Answer::ok("ENABLE done")
            }
            CommandBody::Namespace => {
                self.text("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
                Answer::ok("NAMESPACE done")
            }
            CommandBody::Select { mailbox } => self.select(&mailbox, false).await,
            CommandBody::Examine { mailbox } => self.select(&mailbox, true).await,
            CommandBody::Create { mailbox } => self.create(&mailbox).await,
            CommandBody::Delete { mailbox } => self.delete(&mailbox).await,
            CommandBody::Rename { from, to } => self.rename(&from, &to).await,
            CommandBody::Subscribe { mailbox } => self.subscribe(&mailbox, true).await,
            CommandBody::Unsubscribe { mailbox } => self.subscribe(&mailbox, false).await,
            CommandBody::Status {
                mailbox,
                item_names,
            } => self.status(&mailbox, &item_names).await,
            CommandBody::Append {
                mailbox,
                flags,
                date,
                message,
            } => self.append(&mailbox, &flags, date, &message).await,
            CommandBody::Idle => self.idle(tag).await,
            _ if self.view.is_none() => Answer::Bad("Unknown command, or select a folder first"),
            body => self.dispatch_selected(tag, body).await,
        }
    }

    async fn dispatch_selected(&mut self, tag: &str, body: CommandBody<'_>) -> Answer {
        match body {
            CommandBody::Check => {
                self.refresh(true).await;
                Answer::ok("CHECK done")
            }
            CommandBody::Unselect => {
                self.view = None;
                Answer::ok("UNSELECT done")
            }
            CommandBody::Close => self.close().await,
            CommandBody::Expunge => self.expunge(None).await,
            CommandBody::ExpungeUid { sequence_set } => self.expunge(Some(&sequence_set)).await,
            CommandBody::Search {
                charset,
                criteria,
                uid,
            } => self.search(charset, criteria.as_ref(), uid).await,
            CommandBody::Fetch {
                sequence_set,
                macro_or_item_names,
                uid,
            } => {
                let items = Items::read(&macro_or_item_names, uid);
                self.start_fetch(tag, &sequence_set, items, uid)
            }
            CommandBody::Store {
                sequence_set,
                kind,
                response,
                flags,
                uid,
            } => {
                self.store((&sequence_set, uid), (kind, response), &flags)
                    .await
            }
            CommandBody::Copy {
                sequence_set,
                mailbox,
                uid,
            } => self.copy((&sequence_set, uid), &mailbox, false).await,
            CommandBody::Move {
                sequence_set,
                mailbox,
                uid,
            } => self.copy((&sequence_set, uid), &mailbox, true).await,
            _ => Answer::Bad("Unknown command"),
        }
    }

    async fn idle(&mut self, tag: &str) -> Answer {
        if let Some(user) = &mut self.user {
            // What happens from here on wakes; what happened before is told now.
            user.wakes.mark_unchanged();
        }
        self.refresh(true).await;
        self.text("+ idling\r\n");
        self.expecting = Expecting::Done(tag.to_owned());
        Answer::Later
    }

    /// Tells what others changed in the selected folder.
    async fn refresh(&mut self, numbers_may_change: bool) {
        let (Some(user), Some(view)) = (&self.user, &mut self.view) else {
            return;
        };
        match view
            .refresh(&user.mailbox, numbers_may_change, &mut self.out)
            .await
        {
            Ok(true) => {}
            Ok(false) => self.bye("The folder was deleted"),
            Err(error) => {
                tracing::error!(connection = self.number, %error, "mailbox failure");
                self.bye("Internal failure, try again later");
            }
        }
    }

    /// Writes the tagged response.
    fn finish(&mut self, tag: &str, answer: Answer) {
        let (word, text) = match &answer {
            Answer::Ok(text) => ("OK", text.as_str()),
            Answer::No(text) => ("NO", text.as_str()),
            Answer::Bad(text) => ("BAD", *text),
            Answer::Later => return,
        };
        self.text(&format!("{tag} {word} {text}\r\n"));
        if matches!(answer, Answer::Bad(_)) {
            self.errors += 1;
            if self.errors == 1 || self.errors >= MAX_ERRORS {
                let (connection, remote, in_a_row) = (self.number, self.remote, self.errors);
                tracing::info!(connection, %remote, in_a_row, reason = text, "IMAP command refused");
            }
            if self.errors >= MAX_ERRORS {
                self.bye("Too many errors");
            }
        } else {
            self.errors = 0;
        }
    }

    fn capabilities(&self) -> &'static str {
        if self.user.is_none() {
            "IMAP4rev1 LITERAL- SASL-IR ID ENABLE AUTH=PLAIN AUTH=LOGIN"
        } else {
            "IMAP4rev1 LITERAL- SASL-IR ID ENABLE IDLE NAMESPACE UIDPLUS MOVE UNSELECT CHILDREN \
             SPECIAL-USE LIST-EXTENDED LIST-STATUS STATUS=SIZE APPENDLIMIT=36700160"
        }
    }

    fn text(&mut self, text: &str) {
        write::text(&mut self.out, text);
    }
}

/// What follows the verb, the space left out.
fn arguments(octets: &[u8]) -> Option<&[u8]> {
    let mut spaces = octets.iter().enumerate().filter(|(_, b)| **b == b' ');
    let (second, _) = spaces.nth(1)?;
    octets.get(second + 1..)
}
