//! Every parser of ours that reads what a peer, a client or a file says has a fuzz target.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Parsers by file, and the targets of `tests/fuzz` that feed them.
const PARSERS: &[(&str, &[&str])] = &[
    ("relay/smtp/src/command/mod.rs", &["smtp_command"]),
    ("relay/smtp/src/reply.rs", &["smtp_reply"]),
    ("relay/smtp/src/data/reader.rs", &["smtp_data"]),
    ("relay/smtp/src/data/chunk.rs", &["smtp_data"]),
    ("relay/smtp/src/line.rs", &["smtp_server"]),
    ("relay/smtp/src/server/sasl.rs", &["smtp_server"]),
    ("relay/mail/src/address.rs", &["mail_address"]),
    (
        "relay/mail/src/message_id.rs",
        &["mail_address", "mail_header"],
    ),
    ("relay/mail/src/header.rs", &["mail_header"]),
    ("relay/mail/src/dsn.rs", &["mail_dsn"]),
    ("relay/mail/src/mdn.rs", &["mail_mdn"]),
    ("gateway/hl7/src/fhir/mod.rs", &["hl7_fhir"]),
    ("gateway/hl7/src/mllp.rs", &["hl7_mllp"]),
    ("gateway/hl7/src/batch.rs", &["hl7_batch"]),
    ("gateway/hl7/src/cda.rs", &["hl7_document"]),
    ("gateway/hl7/src/document.rs", &["hl7_document"]),
    ("gateway/hl7/src/er7/message.rs", &["hl7_adt"]),
    ("gateway/hl7/src/er7/element.rs", &["hl7_adt"]),
    (
        "gateway/hl7/src/er7/separators.rs",
        &["hl7_escapes", "hl7_adt"],
    ),
    ("gateway/hl7/src/er7/escape.rs", &["hl7_escapes"]),
    ("gateway/hl7/src/er7/charset.rs", &["hl7_escapes"]),
    ("gateway/hl7/src/timestamp.rs", &["hl7_adt"]),
    ("gateway/hl7/src/adt/mod.rs", &["hl7_adt"]),
    ("gateway/smime/src/ber/reader.rs", &["smime_object"]),
    ("gateway/smime/src/ber/stream.rs", &["smime_object"]),
    ("gateway/smime/src/cms/enveloped.rs", &["smime_object"]),
    ("gateway/smime/src/cms/recipient.rs", &["smime_object"]),
    ("gateway/smime/src/cms/signed.rs", &["smime_object"]),
    ("gateway/smime/src/mime/entity.rs", &["smime_message"]),
    ("gateway/smime/src/stream/base64.rs", &["smime_message"]),
    (
        "gateway/smime/src/inspection.rs",
        &["smime_message", "smime_object"],
    ),
    ("gateway/smime/src/pem.rs", &["smime_certificate"]),
    (
        "gateway/smime/src/opener.rs",
        &["smime_message", "smime_object"],
    ),
    (
        "gateway/smime/src/certificate/mod.rs",
        &["smime_certificate"],
    ),
    (
        "gateway/smime/src/certificate/extensions.rs",
        &["smime_certificate"],
    ),
    ("gateway/smime/src/crl.rs", &["smime_crl"]),
    ("gateway/smime/src/ocsp.rs", &["smime_ocsp"]),
    ("gateway/smime/src/request.rs", &["smime_request"]),
    ("gateway/smime/src/pkcs8.rs", &["smime_pkcs8"]),
    ("gateway/smime/src/pkcs12.rs", &["smime_pkcs12"]),
    ("gateway/smime/src/pbe.rs", &["smime_pkcs12", "smime_pkcs8"]),
    ("gateway/src/imap/frame.rs", &["imap_command"]),
    ("gateway/src/imap/structure.rs", &["imap_structure"]),
    ("gateway/src/tracking/evidence.rs", &["gateway_keyword"]),
    (
        "gateway/src/hospital/care_circles.rs",
        &["gateway_care_circles"],
    ),
    (
        "gateway/src/hospital/circle_import.rs",
        &["gateway_care_circles"],
    ),
    ("gateway/src/reports/receipt.rs", &["reports_receipt"]),
    ("directory/src/import/entries.rs", &["directory_entries"]),
    ("directory/src/import/source.rs", &["directory_files"]),
    ("directory/src/import/delimited.rs", &["directory_files"]),
    ("directory/src/import/rpps.rs", &["directory_files"]),
    ("directory/src/import/mailboxes.rs", &["directory_files"]),
    ("directory/src/import/finess.rs", &["directory_files"]),
    ("directory/src/import/community.rs", &["directory_files"]),
    ("directory/src/import/cards.rs", &["directory_files"]),
    (
        "directory/src/fhir/parameters.rs",
        &["directory_fhir_query"],
    ),
    ("directory/src/fhir/search.rs", &["directory_fhir_query"]),
    ("directory/src/ldap/frame.rs", &["directory_ldap"]),
    ("directory/src/ldap/filter.rs", &["directory_ldap"]),
    ("directory/src/ldap/dn.rs", &["directory_ldap"]),
    ("relay/base/src/tlog/note.rs", &["directory_log"]),
    ("relay/base/src/tlog/cosignature.rs", &["directory_log"]),
    ("directory/src/sharing/witness.rs", &["directory_log"]),
    ("directory/src/sharing/tile.rs", &["directory_log"]),
    ("directory/src/sharing/record.rs", &["directory_log_record"]),
    (
        "directory/src/sharing/authority.rs",
        &["directory_log_record"],
    ),
    ("directory/client/src/query.rs", &["directory_query"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn every_parser_has_a_fuzz_target() {
    let fuzz = root().join("tests/fuzz");
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).expect("a manifest");
    for (parser, targets) in PARSERS.iter().copied() {
        assert!(
            root().join(parser).is_file(),
            "{parser} is gone: name its heir"
        );
        for target in targets {
            let file = fuzz.join(format!("fuzz_targets/{target}.rs"));
            let text = std::fs::read_to_string(&file)
                .unwrap_or_else(|_| panic!("{parser} has no {}", file.display()));
            assert!(text.contains("fuzz_target!("), "{target} feeds nothing");
            assert!(
                manifest.contains(&format!("name = \"{target}\"")),
                "{target} is not built: add it to tests/fuzz/Cargo.toml"
            );
            let seeds = fuzz.join("seeds").join(target);
            let seeds = seeds.read_dir().map(Iterator::count).unwrap_or_default();
            assert!(seeds > 0, "{target} starts from nothing: add a seed");
        }
    }
}

#[test]
fn every_fuzz_target_feeds_a_named_parser() {
    let named: BTreeSet<&str> = PARSERS
        .iter()
        .flat_map(|(_, targets)| *targets)
        .copied()
        .collect();
    let folder = root().join("tests/fuzz/fuzz_targets");
    for entry in folder.read_dir().expect("a folder of targets") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_stem()
            .and_then(|name| name.to_str())
            .expect("a name");
        assert!(named.contains(name), "name the parser that {name} feeds");
    }
}
