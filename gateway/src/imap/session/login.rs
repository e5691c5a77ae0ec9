//! LOGIN and AUTHENTICATE (RFC 3501 §6.2, RFC 4616, SASL LOGIN, SASL-IR of RFC 4959).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imap_codec::imap_types::core::{IString, NString};
use liaison_mail::Address;
use zeroize::Zeroizing;

use super::{Answer, Expecting, Session, User};
use liaison_base::login::Denied;

/// Wrong passwords on one connection.
const MAX_FAILED: u32 = 5;
/// Longest name of a client that is logged.
const MAX_CLIENT: usize = 64;

/// A SASL exchange under way.
pub(super) struct Sasl {
    tag: String,
    step: Step,
}

enum Step {
    Plain,
    LoginUser,
    LoginPassword(Vec<u8>),
}

impl Session {
    pub(super) async fn login(&mut self, user: &[u8], password: Zeroizing<Vec<u8>>) -> Answer {
        // `user*mailbox` opens a mailbox other than the account's first.
        let Ok(user) = std::str::from_utf8(user) else {
            return self.denied(Denied::UnknownUser);
        };
        match user.split_once('*') {
            Some((user, mailbox)) => self.check(user, Some(mailbox), password).await,
            None => self.check(user, None, password).await,
        }
    }

    pub(super) async fn authenticate(
        &mut self,
        tag: &str,
        mechanism: &str,
        initial: Option<Zeroizing<Vec<u8>>>,
    ) -> Answer {
        let step = match mechanism {
            "PLAIN" => Step::Plain,
            "LOGIN" => Step::LoginUser,
            _ => return Answer::No("[CANNOT] Unknown mechanism".to_owned()),
        };
        let sasl = Sasl {
            tag: tag.to_owned(),
            step,
        };
        match initial {
            Some(initial) => self.sasl_step(sasl, initial).await,
            None => self.challenge(sasl),
        }
    }

    /// Takes in a line of the exchange.
    pub(super) async fn sasl_answer(&mut self, sasl: Sasl, line: &[u8]) {
        let tag = sasl.tag.clone();
        let line = line.trim_ascii();
        let answer = if line == b"*" {
            Answer::Bad("AUTHENTICATE cancelled")
        } else {
            match STANDARD.decode(line) {
                Ok(decoded) => self.sasl_step(sasl, decoded.into()).await,
                Err(_) => Answer::Bad("This is not base64"),
            }
        };
        self.finish(&tag, answer);
    }

    /// Logs what a client calls itself: an operator wants to know, the session does not care.
    pub(super) fn log_client(&self, parameters: Vec<(IString<'_>, NString<'_>)>) {
        let value = |name: &[u8]| {
            parameters
                .iter()
                .find(|(one, _)| one.as_ref().eq_ignore_ascii_case(name))
                .and_then(|(_, value)| value.0.as_ref())
                .map(|value| String::from_utf8_lossy(value.as_ref()).into_owned())
                .unwrap_or_default()
                .chars()
                .filter(|c| c.is_ascii_graphic() || *c == ' ')
                .take(MAX_CLIENT)
                .collect::<String>()
        };
        let (client, version) = (value(b"name"), value(b"version"));
        tracing::info!(connection = self.number, %client, %version, "IMAP client");
    }

    fn challenge(&mut self, sasl: Sasl) -> Answer {
        let prompt = match sasl.step {
            Step::Plain => "",
            Step::LoginUser => "Username:",
            Step::LoginPassword(_) => "Password:",
        };
        self.text(&format!("+ {}\r\n", STANDARD.encode(prompt)));
        self.expecting = Expecting::Sasl(sasl);
        Answer::Later
    }

    async fn sasl_step(&mut self, sasl: Sasl, answer: Zeroizing<Vec<u8>>) -> Answer {
        match sasl.step {
            Step::Plain => {
                // [authzid] NUL authcid NUL passwd (RFC 4616 §2)
                let parts: Vec<&[u8]> = answer.split(|octet| *octet == 0).collect();
                let [mailbox, user, password] = parts[..] else {
                    return Answer::Bad("This is no answer to PLAIN");
                };
                let texts = (std::str::from_utf8(user), std::str::from_utf8(mailbox));
                let (Ok(user), Ok(mailbox)) = texts else {
                    return self.denied(Denied::UnknownUser);
                };
                let password = Zeroizing::new(password.to_vec());
                let mailbox = (!mailbox.is_empty() && mailbox != user).then_some(mailbox);
                self.check(user, mailbox, password).await
            }
            Step::LoginUser => self.challenge(Sasl {
                tag: sasl.tag,
                step: Step::LoginPassword(answer.to_vec()),
            }),
            Step::LoginPassword(user) => self.login(&user, answer).await,
        }
    }

    async fn check(
        &mut self,
        user: &str,
        mailbox: Option<&str>,
        password: Zeroizing<Vec<u8>>,
    ) -> Answer {
        let account = match self
            .site
            .accounts
            .authenticate(user, password, self.remote)
            .await
        {
            Ok(account) => account,
            Err(denied) => return self.denied(denied),
        };
        let address = match mailbox {
            None => account.mailboxes.first().cloned(),
            Some(mailbox) => Address::parse(mailbox)
                .ok()
                .filter(|address| account.opens(address)),
        };
        let Some(mailbox) = address.and_then(|one| self.site.mailboxes.mailbox(&one)) else {
            tracing::warn!(connection = self.number, user = %account.user, "IMAP login: no such mailbox");
            return Answer::No("[AUTHORIZATIONFAILED] This mailbox is not yours".to_owned());
        };
        tracing::info!(connection = self.number, user = %account.user, "IMAP login");
        self.user = Some(User {
            wakes: mailbox.wakes(),
            account,
            mailbox,
        });
        Answer::Ok(format!("[CAPABILITY {}] Logged in", self.capabilities()))
    }

    /// The name that was tried is not logged: people type their password there.
    fn denied(&mut self, denied: Denied) -> Answer {
        let (connection, remote) = (self.number, self.remote);
        tracing::warn!(connection, %remote, reason = %denied, "IMAP login failed");
        self.failed_logins += 1;
        if self.failed_logins >= MAX_FAILED {
            self.bye("Too many failed logins");
        }
        let code = if denied.retry_can_help() {
            "UNAVAILABLE"
        } else {
            "AUTHENTICATIONFAILED"
        };
        Answer::No(format!("[{code}] {}", denied.public()))
    }
}
