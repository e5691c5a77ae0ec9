//! `liaison smime inspect`.

use liaison_smime::{Inspection, Limits, Seen, SeenName, SeenRecipient, SeenSigner, Spool};
use serde_json::{Value, json};

use super::input::Input;
use super::open::say;
use super::report::{Lines, certificate, certificate_json, hex, octets};
use super::{Fault, Inspect};
use crate::track::stamp;

/// Says what a message is made of.
pub(super) fn run(arguments: &Inspect) -> Result<bool, Fault> {
    let input = Input::open(&arguments.file)?;
    let name = arguments.file.display().to_string();
    let message = input
        .message(None)
        .map_err(|e| Fault::file(&arguments.file, e))?;
    let found = liaison_smime::inspect(Spool::file(message), &Limits::default());
    let form = input.form.name();
    let text = match (&found, arguments.json) {
        (Ok(inspection), false) => {
            let mut lines = Lines::default();
            lines.add(
                "message",
                format!("{name}: {form}, {}", octets(input.octets)),
            );
            lines.blank();
            describe(&mut lines, inspection);
            lines.into_text()
        }
        (Ok(inspection), true) => {
            let value = json!({
                "file": name,
                "form": form,
                "octets": input.octets,
                "layers": inspection.layers.iter().map(layer_json).collect::<Vec<_>>(),
                "content_type": inspection.content_type,
            });
            format!("{value:#}\n")
        }
        (Err(refusal), false) => format!("{:<13} {refusal}\n", "REFUSED"),
        (Err(refusal), true) => {
            let value = json!({ "file": name, "result": "refused", "reason": refusal.to_string() });
            format!("{value:#}\n")
        }
    };
    say(&text, true);
    Ok(found.is_ok())
}

fn describe(lines: &mut Lines, inspection: &Inspection) {
    if inspection.layers.is_empty() {
        lines.add(
            "layers",
            "none: the message is neither signed nor encrypted",
        );
    }
    for (place, layer) in inspection.layers.iter().enumerate() {
        let label = format!("layer {}", place + 1);
        match layer {
            Seen::Encrypted {
                object,
                cipher,
                recipients,
            } => {
                lines.add(&label, format!("encrypted: {object}, {cipher}"));
                for recipient in recipients {
                    lines.add("  for", recipient_text(recipient));
                }
                lines.add(
                    "",
                    "what is inside shows only with a key of one of them (`open`)",
                );
            }
            Seen::Signed {
                detached,
                signers,
                certificates,
            } => {
                let where_to = if *detached { "beside" } else { "around" };
                lines.add(
                    &label,
                    format!("signed: SignedData, {where_to} the content"),
                );
                for signer in signers {
                    lines.add("  by", signer_text(signer));
                }
                for found in certificates {
                    certificate(lines, "  certificate", found);
                }
                lines.add("", "nothing was checked here (`verify` does)");
            }
            Seen::Other(kind) => lines.add(&label, format!("another CMS object: {kind}")),
            _ => lines.add(&label, "of another kind"),
        }
    }
    if let Some(content_type) = &inspection.content_type {
        lines.add("inside", content_type);
    }
}

fn recipient_text(recipient: &SeenRecipient) -> String {
    format!("{}\nby {}", name_text(&recipient.name), recipient.method)
}

fn signer_text(signer: &SeenSigner) -> String {
    let time = match signer.claimed_time {
        Some(time) => format!("\nat {}, says the signer", stamp(time)),
        None => String::new(),
    };
    format!(
        "{}\nwith {}{time}",
        name_text(&signer.name),
        signer.algorithm
    )
}

fn name_text(name: &SeenName) -> String {
    match name {
        SeenName::IssuerAndSerial(issuer, serial) => {
            format!("the certificate {} of {issuer}", hex(serial))
        }
        SeenName::SubjectKeyId(id) => format!("the key {}", hex(id)),
        _ => "nobody that a certificate names".to_owned(),
    }
}

fn layer_json(layer: &Seen) -> Value {
    match layer {
        Seen::Encrypted {
            object,
            cipher,
            recipients,
        } => json!({
            "kind": "encrypted",
            "object": object,
            "cipher": cipher,
            "recipients": recipients.iter().map(|recipient| {
                let mut value = name_json(&recipient.name);
                value["method"] = json!(recipient.method);
                value
            }).collect::<Vec<_>>(),
        }),
        Seen::Signed {
            detached,
            signers,
            certificates,
        } => json!({
            "kind": "signed",
            "detached": detached,
            "signers": signers.iter().map(|signer| {
                let mut value = name_json(&signer.name);
                value["algorithm"] = json!(signer.algorithm);
                value["claimed_time"] = json!(signer.claimed_time.map(stamp));
                value
            }).collect::<Vec<_>>(),
            "certificates": certificates.iter().map(certificate_json).collect::<Vec<_>>(),
        }),
        Seen::Other(kind) => json!({ "kind": "other", "object": kind }),
        _ => json!({ "kind": "other" }),
    }
}

fn name_json(name: &SeenName) -> Value {
    match name {
        SeenName::IssuerAndSerial(issuer, serial) => {
            json!({ "issuer": issuer, "serial": hex(serial) })
        }
        SeenName::SubjectKeyId(id) => json!({ "subject_key_id": hex(id) }),
        _ => json!({}),
    }
}
