//! Commands on folders (RFC 3501 §6.3).

use imap_codec::imap_types::datetime::DateTime;
use imap_codec::imap_types::extensions::binary::LiteralOrLiteral8;
use imap_codec::imap_types::flag::Flag;
use imap_codec::imap_types::mailbox::Mailbox as Name;
use imap_codec::imap_types::status::StatusDataItemName;
use time::OffsetDateTime;

use super::messages::read_flags;
use super::{Answer, Session};
use crate::imap::list::{Listing, Verb};
use crate::imap::view::View;
use crate::imap::{utf7, write};
use crate::mailbox::{Folder, Mailbox, MailboxError};

impl Session {
    pub(super) async fn list(&mut self, verb: Verb, arguments: &[u8]) -> Answer {
        let Some(listing) = Listing::read(arguments) else {
            return Answer::Bad("Malformed arguments");
        };
        let name = verb.name();
        if listing.asks_delimiter() {
            self.text(&format!("* {name} (\\Noselect) \"/\" \"\"\r\n"));
            return Answer::Ok(format!("{name} done"));
        }
        let Some(mailbox) = self.mailbox() else {
            return Answer::Bad("Log in first");
        };
        let folders = match mailbox.folders().await {
            Ok(folders) => folders,
            Err(error) => return Err(error).into(),
        };
        for line in listing.choose(verb, &folders) {
            self.text(&format!("* {name} "));
            write::list(&mut self.out, line.attributes.into_iter());
            self.text(" \"/\" ");
            write::folder(&mut self.out, &line.name);
            self.text("\r\n");
            if let Some(items) = listing.status.as_ref().filter(|_| line.exists)
                && let Some(folder) = folders.iter().find(|one| one.name == line.name)
            {
                let items: Vec<&str> = items.iter().map(String::as_str).collect();
                if let Err(error) = self.write_status(&mailbox, folder, &items).await {
                    return Err(error).into();
                }
            }
        }
        Answer::Ok(format!("{name} done"))
    }

    pub(super) async fn status(&mut self, name: &Name<'_>, items: &[StatusDataItemName]) -> Answer {
        let items: Vec<&str> = items
            .iter()
            .filter_map(|item| match item {
                StatusDataItemName::Messages => Some("MESSAGES"),
                StatusDataItemName::Recent => Some("RECENT"),
                StatusDataItemName::UidNext => Some("UIDNEXT"),
                StatusDataItemName::UidValidity => Some("UIDVALIDITY"),
                StatusDataItemName::Unseen => Some("UNSEEN"),
                StatusDataItemName::Size => Some("SIZE"),
                _ => None,
            })
            .collect();
        let Some((mailbox, name)) = self.mailbox().zip(folder_name(name)) else {
            return Answer::Bad("This is no folder name");
        };
        match mailbox.folder(&name).await {
            Ok(folder) => match self.write_status(&mailbox, &folder, &items).await {
                Ok(()) => Answer::ok("STATUS done"),
                Err(error) => Err(error).into(),
            },
            Err(error) => Err(error).into(),
        }
    }

    pub(super) async fn select(&mut self, name: &Name<'_>, read_only: bool) -> Answer {
        // Whatever comes of it, the folder selected before is no longer (RFC 3501 §6.3.1).
        self.view = None;
        let Some((mailbox, name)) = self.mailbox().zip(folder_name(name)) else {
            return Answer::Bad("This is no folder name");
        };
        let mut out = std::mem::take(&mut self.out);
        let selected = match mailbox.folder(&name).await {
            Ok(folder) => View::select(&mailbox, folder, read_only, &mut out).await,
            Err(error) => Err(error),
        };
        self.out = out;
        match selected {
            Ok(view) => {
                self.view = Some(view);
                Answer::ok(if read_only {
                    "[READ-ONLY] EXAMINE done"
                } else {
                    "[READ-WRITE] SELECT done"
                })
            }
            Err(error) => Err(error).into(),
        }
    }

    pub(super) async fn create(&mut self, name: &Name<'_>) -> Answer {
        let Some((mailbox, name)) = self.mailbox().zip(folder_name(name)) else {
            return Answer::Bad("This is no folder name");
        };
        let created = mailbox.create(&name).await;
        created.map(|()| Answer::ok("CREATE done")).into()
    }

    pub(super) async fn delete(&mut self, name: &Name<'_>) -> Answer {
        let Some((mailbox, name)) = self.mailbox().zip(folder_name(name)) else {
            return Answer::Bad("This is no folder name");
        };
        if let Ok(folder) = mailbox.folder(&name).await
            && let Some(view) = &self.view
            && view.folder.validity == folder.validity
        {
            self.view = None;
        }
        let deleted = mailbox.delete(&name).await;
        deleted.map(|()| Answer::ok("DELETE done")).into()
    }

    pub(super) async fn rename(&mut self, from: &Name<'_>, to: &Name<'_>) -> Answer {
        let names = folder_name(from).zip(folder_name(to));
        let Some((mailbox, (from, to))) = self.mailbox().zip(names) else {
            return Answer::Bad("This is no folder name");
        };
        let renamed = mailbox.rename(&from, &to).await;
        renamed.map(|()| Answer::ok("RENAME done")).into()
    }

    pub(super) async fn subscribe(&mut self, name: &Name<'_>, subscribed: bool) -> Answer {
        let Some((mailbox, name)) = self.mailbox().zip(folder_name(name)) else {
            return Answer::Bad("This is no folder name");
        };
        let done = mailbox.subscribe(&name, subscribed).await;
        done.map(|()| Answer::ok("Subscription changed")).into()
    }

    pub(super) async fn append(
        &mut self,
        name: &Name<'_>,
        flags: &[Flag<'_>],
        date: Option<DateTime>,
        message: &LiteralOrLiteral8<'_>,
    ) -> Answer {
        let LiteralOrLiteral8::Literal(message) = message else {
            return Answer::No("[UNKNOWN-CTE] BINARY is not offered".to_owned());
        };
        let Some((mailbox, name)) = self.mailbox().zip(folder_name(name)) else {
            return Answer::Bad("This is no folder name");
        };
        let Some(flags) = read_flags(flags) else {
            return Answer::Bad("These flags cannot be set");
        };
        let date = date
            .and_then(|date| OffsetDateTime::from_unix_timestamp(date.as_ref().timestamp()).ok());
        let folder = match mailbox.folder(&name).await {
            Ok(folder) => folder,
            Err(MailboxError::NoFolder) => {
                return Answer::No("[TRYCREATE] No such folder".to_owned());
            }
            Err(error) => return Err(error).into(),
        };
        let octets = message.as_ref();
        match mailbox.append(folder.validity, octets, flags, date).await {
            Ok(filed) => {
                self.refresh(true).await;
                Answer::Ok(format!(
                    "[APPENDUID {} {}] APPEND done",
                    filed.folder, filed.uid
                ))
            }
            Err(error) => Err(error).into(),
        }
    }

    /// The mailbox of whoever has logged in.
    pub(super) fn mailbox(&self) -> Option<Mailbox> {
        self.user.as_ref().map(|user| user.mailbox.clone())
    }

    async fn write_status(
        &mut self,
        mailbox: &Mailbox,
        folder: &Folder,
        items: &[&str],
    ) -> Result<(), MailboxError> {
        let counts = mailbox.counts(folder).await?;
        let values: Vec<String> = items
            .iter()
            .filter_map(|item| {
                let item = item.to_ascii_uppercase();
                let value = match item.as_str() {
                    "MESSAGES" => u64::from(counts.messages),
                    "RECENT" => u64::from(counts.recent),
                    "UIDNEXT" => u64::from(folder.uid_next),
                    "UIDVALIDITY" => u64::from(folder.validity),
                    "UNSEEN" => u64::from(counts.unseen),
                    "SIZE" => counts.size,
                    _ => return None,
                };
                Some(format!("{item} {value}"))
            })
            .collect();
        self.text("* STATUS ");
        write::folder(&mut self.out, &folder.name);
        self.text(&format!(" ({})\r\n", values.join(" ")));
        Ok(())
    }
}

/// The name of a folder in UTF-8.
pub(super) fn folder_name(name: &Name<'_>) -> Option<String> {
    match name {
        Name::Inbox => Some("INBOX".to_owned()),
        Name::Other(name) => utf7::decode(name.as_ref()),
    }
}
