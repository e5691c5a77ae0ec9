//! `liaison smime open` and `verify`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use liaison_smime::{
    InvalidReason, Layer, OpenPolicy, Opened, Opener, Refusal, SignatureVerdict, Spool,
};
use time::OffsetDateTime;

use super::input::{Form, Input, Joined};
use super::report::{Found, Outcome};
use super::{Fault, Open, Signer, Trust, Verify};

/// Octets of a message, at most: the tools work in constant memory.
const MESSAGE: usize = 16 * 1024 * 1024 * 1024;

/// Opens a message, writes what was inside, and says what was found.
pub(super) fn open(arguments: &Open) -> Result<bool, Fault> {
    let input = Input::open(&arguments.file)?;
    let examination = Examination {
        input: &input,
        content: None,
        trust: &arguments.trust,
        signer: &arguments.signer,
    };
    let ring = arguments.identity.ring()?;
    examination.carry_out(&arguments.file, &ring, |found, opened| {
        if let Some(opened) = opened {
            let written = write_content(arguments, opened);
            written
                .map_err(|e| Fault::file(arguments.out.as_deref().unwrap_or(Path::new("-")), e))?;
        }
        // The report must not mix with the message.
        say(&found.said(arguments.json), arguments.out.is_some());
        Ok(found.sound)
    })
}

/// Says whether a message is validly signed.
pub(super) fn verify(arguments: &Verify) -> Result<bool, Fault> {
    let input = Input::open(&arguments.file)?;
    let content = arguments.content.as_deref().map(Input::open).transpose()?;
    if content.is_some() && input.form == Form::Mail {
        return Err(Fault::Usage(
            "--content goes with a bare signature (.p7s), not with a message",
        ));
    }
    let examination = Examination {
        input: &input,
        content: content.as_ref(),
        trust: &arguments.trust,
        signer: &arguments.signer,
    };
    let ring = arguments.identity.ring()?;
    examination.carry_out(&arguments.file, &ring, |found, _| {
        say(&found.said(arguments.json), true);
        Ok(found.valid)
    })
}

/// What is examined, and by whose rules.
struct Examination<'a> {
    input: &'a Input,
    content: Option<&'a Input>,
    trust: &'a Trust,
    signer: &'a Signer,
}

/// What was found, said both ways.
struct Said {
    text: String,
    json: String,
    valid: bool,
    sound: bool,
}

impl Said {
    fn said(&self, json: bool) -> String {
        if json {
            self.json.clone()
        } else {
            self.text.clone()
        }
    }
}

impl Examination<'_> {
    fn carry_out(
        &self,
        file: &Path,
        ring: &dyn liaison_smime::KeyRing,
        then: impl FnOnce(&Said, Option<&mut Opened<'_>>) -> Result<bool, Fault>,
    ) -> Result<bool, Fault> {
        let trust = self.trust.store()?;
        let now = self.trust.moment();
        let mut policy = OpenPolicy::default();
        policy.accept_unencrypted = true;
        policy.require_revocation = self.signer.require_revocation;
        policy.limits.message_octets = MESSAGE;
        let opener = Opener::new(&policy, ring, &trust);
        let mut remarks = Vec::new();
        let name = file.display().to_string();
        let mut opened = self.open(file, &opener, now, &mut remarks)?;
        if self.trust.trust.is_empty() {
            remarks.push("nobody is trusted: name authorities with --trust".to_owned());
        }
        let outcome = match &opened {
            Ok(opened) => Outcome::Opened {
                opened,
                unexpected: self.unexpected(opened),
            },
            Err(refusal) => Outcome::Refused(self.explained(refusal)),
        };
        let found = Found {
            name: &name,
            form: self.input.form.name(),
            octets: self.input.octets,
            now,
            outcome,
            remarks,
        };
        let said = Said {
            text: found.text(),
            json: format!("{:#}\n", found.json()),
            valid: found.is_valid(),
            sound: found.is_sound(),
        };
        drop(found);
        then(&said, opened.as_mut().ok())
    }

    /// Opens the message; a bare object is taken for one from the address that --from gives, or
    /// else from the signer: there is no From to compare with.
    fn open(
        &self,
        file: &Path,
        opener: &Opener<'_>,
        now: OffsetDateTime,
        remarks: &mut Vec<String>,
    ) -> Result<Result<Opened<'static>, Refusal>, Fault> {
        let attempt = |from: Option<&str>| -> Result<_, Fault> {
            let message = self.message(from).map_err(|e| Fault::file(file, e))?;
            Ok(opener.open(Spool::file(message), now))
        };
        let from = self.signer.from.as_deref();
        let opened = attempt(from)?;
        let bare = self.input.form != Form::Mail;
        if let Ok(first) = &opened
            && bare
            && from.is_none()
            && *first.signature() == SignatureVerdict::Invalid(InvalidReason::AmbiguousFrom)
            && let Some(address) = signer_address(first)
        {
            let again = attempt(Some(&address))?;
            remarks.push(
                "there is no From to compare the signer with: --from says who it must be"
                    .to_owned(),
            );
            return Ok(again);
        }
        Ok(opened)
    }

    fn message(&self, from: Option<&str>) -> io::Result<Joined> {
        match self.content {
            Some(content) => self.input.with_content(content, from),
            None => self.input.message(from),
        }
    }

    /// Why a valid signature is not the one that was asked for.
    fn unexpected(&self, opened: &Opened<'_>) -> Option<String> {
        let wanted = self.signer.from.as_deref()?;
        let found = opened.from_address();
        let same = found.is_some_and(|found| found.eq_ignore_ascii_case(wanted));
        (!same).then(|| {
            let found = found.unwrap_or("nobody in particular");
            format!("the message is from {found}, not from {wanted}")
        })
    }

    /// A refusal, with what to do about it.
    fn explained(&self, refusal: &Refusal) -> String {
        let hint = match refusal {
            Refusal::CannotOpen => {
                "\nGive the key of a recipient (--p12, or --key with --cert); `inspect` says for \
                 whom it is."
            }
            Refusal::Malformed(
                "a detached signature without its content"
                | "an opaque signature without its content",
            ) => "\nThe signature is apart from its content: name that with --content.",
            _ => "",
        };
        format!("{refusal}{hint}")
    }
}

/// The first address of the certificate that made the first signature.
fn signer_address(opened: &Opened<'_>) -> Option<String> {
    let layers = opened.layers().iter();
    let mut signers = layers.filter_map(|layer| match layer {
        Layer::Signed { signers, .. } => signers.first(),
        _ => None,
    });
    signers.next()?.addresses().first().cloned()
}

fn write_content(arguments: &Open, opened: &mut Opened<'_>) -> io::Result<()> {
    let content = match arguments.entity {
        true => opened.content(),
        false => opened.readable(),
    };
    match &arguments.out {
        Some(path) => {
            let mut out = BufWriter::new(File::create(path)?);
            content.copy_to(&mut out)?;
            out.into_inner()?.sync_all()
        }
        None => {
            let mut out = io::stdout().lock();
            content.copy_to(&mut out)?;
            out.flush()
        }
    }
}

/// Says what was found on standard output, or on standard error where the message goes there.
pub(super) fn say(text: &str, on_output: bool) {
    // A reader that went away has heard enough.
    let _ = match on_output {
        true => io::stdout().lock().write_all(text.as_bytes()),
        false => io::stderr().lock().write_all(text.as_bytes()),
    };
}
