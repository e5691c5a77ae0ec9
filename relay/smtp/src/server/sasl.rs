//! `AUTH PLAIN` (RFC 4616) and `AUTH LOGIN`, with and without an initial response (RFC 4954 §4).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{Credentials, replies};
use crate::command::{Base64, Mechanism};
use crate::reply::FixedReply;

/// Longest user name, in octets.
const MAX_USER: usize = 255;

/// Where an exchange stands: what the next line must be.
pub(super) enum Exchange {
    /// `NUL`-separated identity, user and password.
    Plain,
    /// The user.
    LoginUser,
    /// The password of this user.
    LoginPassword(String),
}

/// What a line leads to.
pub(super) enum Outcome {
    /// Send the challenge and await another line.
    Challenge(FixedReply, Exchange),
    /// All is known.
    Complete(Credentials),
    /// The exchange is over.
    Failed(FixedReply),
}

impl Exchange {
    /// The exchange for a mechanism; Outlook's servers send LOGIN's user as an initial response,
    /// which no standard describes.
    pub(super) fn start(mechanism: Mechanism, initial: Option<&Base64>) -> Outcome {
        let (exchange, challenge) = match mechanism {
            Mechanism::Plain => (Self::Plain, replies::CHALLENGE),
            Mechanism::Login => (Self::LoginUser, replies::ASK_USER),
        };
        match initial {
            None => Outcome::Challenge(challenge, exchange),
            // RFC 4954 §4: a single `=` is an initial response of no octets.
            Some(initial) if initial.0.as_str() == "=" => exchange.respond(b""),
            Some(initial) => exchange.respond(initial.0.as_bytes()),
        }
    }

    /// Takes one line of the client, in base64.
    pub(super) fn respond(self, line: &[u8]) -> Outcome {
        if line == b"*" {
            return Outcome::Failed(replies::AUTH_CANCELLED);
        }
        let Ok(response) = STANDARD.decode(line).map(Zeroizing::new) else {
            return Outcome::Failed(replies::AUTH_MALFORMED);
        };
        let Ok(response) = str::from_utf8(&response) else {
            return Outcome::Failed(replies::AUTH_MALFORMED);
        };
        match self {
            Self::Plain => plain(response),
            Self::LoginUser => Outcome::Challenge(
                replies::ASK_PASSWORD,
                Self::LoginPassword(response.to_owned()),
            ),
            Self::LoginPassword(user) => complete(&user, response),
        }
    }
}

fn plain(response: &str) -> Outcome {
    let mut parts = response.split('\0');
    let (Some(identity), Some(user), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Outcome::Failed(replies::AUTH_MALFORMED);
    };
    if !(identity.is_empty() || identity == user) {
        return Outcome::Failed(replies::AUTH_OTHER_IDENTITY);
    }
    complete(user, password)
}

fn complete(user: &str, password: &str) -> Outcome {
    let valid = (1..=MAX_USER).contains(&user.len())
        && !password.is_empty()
        && !user.contains('\0')
        && !password.contains('\0');
    if !valid {
        return Outcome::Failed(replies::AUTH_MALFORMED);
    }
    Outcome::Complete(Credentials {
        user: user.to_owned(),
        password: Zeroizing::new(password.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &str) -> Base64 {
        Base64(Zeroizing::new(STANDARD.encode(text)))
    }

    fn refused(text: &str) -> bool {
        let initial = encoded(text);
        matches!(
            Exchange::start(Mechanism::Plain, Some(&initial)),
            Outcome::Failed(_)
        )
    }

    #[test]
    fn plain_takes_a_user_acting_for_himself_only() {
        for text in ["\0claire\0s e c", "claire\0claire\0s e c"] {
            let Outcome::Complete(credentials) =
                Exchange::start(Mechanism::Plain, Some(&encoded(text)))
            else {
                panic!("{text:?} was refused");
            };
            assert_eq!(credentials.user, "claire");
            assert_eq!(credentials.password.as_str(), "s e c");
        }
        assert!(refused("paul\0claire\0secret"));
    }

    #[test]
    fn malformed_responses_are_refused() {
        for text in [
            "",
            "claire",
            "\0claire",
            "\0\0secret",
            "\0claire\0",
            "\0a\0b\0c",
        ] {
            assert!(refused(text), "{text:?} was accepted");
        }
        for line in ["*", "=", "!", "AGEAY", "/w=="] {
            let outcome = Exchange::Plain.respond(line.as_bytes());
            assert!(matches!(outcome, Outcome::Failed(_)), "{line} was accepted");
        }
    }

    #[test]
    fn login_asks_for_what_it_was_not_given() {
        let Outcome::Challenge(ask, exchange) = Exchange::start(Mechanism::Login, None) else {
            panic!("no challenge");
        };
        assert_eq!(
            (ask.code, STANDARD.decode(ask.text).unwrap()),
            (334, b"Username:".to_vec())
        );
        let Outcome::Challenge(ask, exchange) = exchange.respond(b"Y2xhaXJl") else {
            panic!("no challenge");
        };
        assert_eq!(STANDARD.decode(ask.text).unwrap(), b"Password:");
        let Outcome::Complete(credentials) = exchange.respond(b"c2VjcmV0") else {
            panic!("not complete");
        };
        assert_eq!(credentials.user, "claire");
        assert_eq!(credentials.password.as_str(), "secret");
    }

    /// Concession: the user as an initial response of LOGIN.
    #[test]
    fn login_takes_the_user_at_once() {
        let user = encoded("claire");
        assert!(matches!(
            Exchange::start(Mechanism::Login, Some(&user)),
            Outcome::Challenge(_, Exchange::LoginPassword(name)) if name == "claire"
        ));
    }
}
