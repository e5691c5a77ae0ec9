//! `liaison smime seal`.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use liaison_smime::{
    Profile as SealProfile, Recipients, SealError, SealPolicy, SealReport, Sealer, SignatureForm,
    Spool,
};
use serde_json::json;

use super::input::{Form, Input};
use super::open::say;
use super::report::{Lines, certificate_json, octets};
use super::{Fault, Profile, Seal, material};

/// Seals a message to the certificates given.
pub(super) fn run(arguments: &Seal) -> Result<bool, Fault> {
    let input = Input::open(&arguments.file)?;
    if input.form != Form::Mail {
        return Err(Fault::file(
            &arguments.file,
            "what is sealed is a mail message, not a CMS object",
        ));
    }
    let mut identities = arguments.identity.load()?.into_iter();
    let signer = identities.next();
    match (&signer, arguments.unsigned) {
        (None, false) => {
            return Err(Fault::Usage(
                "nobody to sign as: give --p12, or --key with --cert; or --unsigned",
            ));
        }
        (Some(_), true) => return Err(Fault::Usage("--unsigned goes without a key")),
        _ => {}
    }
    let mut certificates = Vec::new();
    for file in &arguments.to {
        certificates.extend(material::certificates(file)?);
    }
    let now = arguments.trust.moment();
    let trust = arguments.trust.store()?;
    let mut remarks = Vec::new();
    if arguments.trust.trust.is_empty() {
        remarks.push("the recipients' certificates were not checked: no --trust".to_owned());
    } else {
        for certificate in &certificates {
            if let Err(fault) = trust.check_recipient(certificate, &[], now) {
                say(
                    &format!("REFUSED       {}: {fault}\n", certificate.subject()),
                    false,
                );
                return Ok(false);
            }
        }
    }
    let mut recipients = Recipients::visible(certificates.clone());
    if let Some(signer) = &signer
        && matches!(arguments.profile, Profile::Kim)
    {
        recipients = recipients.and_sender(signer.certificate().clone());
    }
    if arguments.cbc {
        recipients = recipients.reading_only_cbc();
    }
    let mut sealer = Sealer::new(policy(arguments));
    if let Some(signer) = &signer {
        sealer = sealer.sign_with(signer);
    }
    let spool = input
        .message(None)
        .map_err(|e| Fault::file(&arguments.file, e))?;
    let report = match write(arguments.out.as_deref(), |out| {
        sealer.seal(Spool::file(spool), &recipients, now, out)
    })? {
        Ok(report) => report,
        Err(error) => {
            say(&format!("REFUSED       {error}\n"), false);
            return Ok(false);
        }
    };
    let text = match arguments.json {
        true => {
            let value = json!({
                "result": "sealed",
                "octets": report.octets,
                "cipher": format!("{:?}", report.cipher),
                "signature": report.signature.map(|scheme| format!("{scheme:?}")),
                "recipients": certificates.iter().map(certificate_json).collect::<Vec<_>>(),
                "notes": remarks,
            });
            format!("{value:#}\n")
        }
        false => text(&report, &certificates, &remarks),
    };
    say(&text, arguments.out.is_some());
    Ok(true)
}

fn policy(arguments: &Seal) -> SealPolicy {
    let mut policy = SealPolicy::default();
    policy.rsa_pss = arguments.pss;
    policy.ml_kem = true;
    policy.limits.message_octets = 16 * 1024 * 1024 * 1024;
    if arguments.opaque {
        policy.signature_form = SignatureForm::Opaque;
    }
    policy.profile = match arguments.profile {
        Profile::Rfc9788 => SealProfile::Rfc9788,
        Profile::Direct => SealProfile::WrappedRfc822,
        Profile::Kim => SealProfile::KomLe,
    };
    policy
}

fn text(
    report: &SealReport,
    certificates: &[liaison_smime::Certificate],
    remarks: &[String],
) -> String {
    let mut lines = Lines::default();
    let signed = match report.signature {
        Some(scheme) => format!("signed with {scheme:?}, then "),
        None => String::new(),
    };
    lines.add(
        "SEALED",
        format!(
            "{signed}encrypted with {:?}, {}",
            report.cipher,
            octets(report.octets)
        ),
    );
    for (place, certificate) in certificates.iter().enumerate() {
        let label = if place == 0 { "for" } else { "" };
        lines.add(label, certificate.subject());
    }
    for remark in remarks {
        lines.add("note", remark);
    }
    lines.into_text()
}

/// Writes to `path`, which only appears whole, or to standard output.
fn write(
    path: Option<&Path>,
    seal: impl FnOnce(&mut dyn io::Write) -> Result<SealReport, SealError>,
) -> Result<Result<SealReport, SealError>, Fault> {
    let Some(path) = path else {
        let mut out = BufWriter::new(io::stdout().lock());
        let sealed = seal(&mut out);
        out.flush().map_err(|e| Fault::file(Path::new("-"), e))?;
        return Ok(sealed);
    };
    let failed = |e: io::Error| Fault::file(path, e);
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(failed)?;
    let mut out = BufWriter::new(file);
    let sealed = seal(&mut out);
    if sealed.is_ok() {
        let file = out.into_inner().map_err(|e| failed(e.into_error()))?;
        let file: &File = &file.persist(path).map_err(|e| failed(e.error))?;
        file.sync_all().map_err(failed)?;
    }
    Ok(sealed)
}
