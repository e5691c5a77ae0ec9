//! The discharge letter: enclosed where it came in time, told of where it came late, refused where
//! it is about somebody else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_hl7::document::DocumentEvent;

use super::*;
use crate::outbound::Attachment;

fn letter(ins: &str) -> String {
    format!(
        "<ClinicalDocument xmlns=\"urn:hl7-org:v3\"><id root=\"1.2.3\" extension=\"7\"/><title>Lettre de liaison</title><recordTarget><patientRole><id root=\"1.2.250.1.213.1.4.10\" extension=\"{ins}\"/></patientRole></recordTarget><component><structuredBody><component><section><code code=\"18610-6\"/><text><table><tr><th>Médicament</th><th>Commentaire</th></tr><tr><td><content ID=\"M1\">ESSAILOL 100 mg</content></td><td>chute de tension</td></tr></table></text><entry><substanceAdministration><text><reference value=\"#M1\"/></text><consumable><manufacturedProduct><manufacturedMaterial><name>ESSAILOL 100 mg</name></manufacturedMaterial></manufacturedProduct></consumable></substanceAdministration></entry></section></component></structuredBody></component></ClinicalDocument>"
    )
}

fn mdm(files: &[&[u8]]) -> String {
    let mut text = "MSH|^~\\&|DPI|CH-TEST|LIAISON|CH-TEST|20261119140530||MDM^T02|d1|P|2.6\nPID|1||900123^^^CH-TEST^PI||ESSAI^OCTAVIE\nPV1|1|I|||||||||||||||||26004711-1\n".to_owned();
    for file in files {
        let data = STANDARD.encode(file);
        text.push_str(&format!(
            "OBX|1|ED|11490-0^Lettre||^x^x^Base64^{data}||||||F\n"
        ));
    }
    text
}

async fn push(site: &Site, text: &str) -> Result<Taken, liaison_hl7::Refusal> {
    let wire = text.replace('\n', "\r");
    let event = DocumentEvent::parse(&Message::parse(wire.as_bytes()).unwrap()).unwrap();
    site.feed
        .take_document(event, wire.into_bytes())
        .await
        .unwrap()
}

fn names(files: &[Attachment]) -> Vec<&str> {
    files.iter().map(|file| file.name.as_str()).collect()
}

#[tokio::test]
async fn a_letter_that_came_in_time_goes_with_the_discharge_and_its_changes_come_first() {
    let site = Site::new().await;
    site.push(&entry()).await;
    let cda = letter("000000000000191");
    let taken = push(&site, &mdm(&[b"%PDF-1.7\n", cda.as_bytes()]))
        .await
        .unwrap();
    assert_eq!((taken.notices, site.count("letter").await), (0, 2));
    site.push(&exit()).await;
    site.later(60).await;
    let drafts = site.drafts.contents().await;
    let (text, files) = &drafts[2];
    let changed = text
        .find("ARRÊTÉ : ESSAILOL 100 mg (motif : chute de tension)")
        .unwrap();
    assert!(changed < text.find("Sortie le").unwrap(), "{text}");
    assert!(
        text.contains("Lettre de liaison : jointe (PDF et document structuré, reçue le jeudi"),
        "{text}"
    );
    assert!(!text.contains("non jointe"), "{text}");
    assert_eq!(
        names(files),
        ["avis.json", "lettre-de-liaison.pdf", "IHE_XDM.ZIP"]
    );
    // The nurse reads that no prescription is enclosed, and gets no letter.
    let (text, files) = &drafts[3];
    assert!(
        text.contains("Prescription de soins : non jointe"),
        "{text}"
    );
    assert!(!text.contains("ESSAILOL"), "{text}");
    assert_eq!(names(files), ["avis.json"]);
    let database = std::fs::read(site.folder.path().join("gateway.db")).unwrap();
    assert!(
        !database.windows(8).any(|window| window == b"ESSAILOL"),
        "sealed"
    );
}

#[tokio::test]
async fn a_letter_that_comes_after_the_discharge_is_told_of_once() {
    let site = Site::new().await;
    site.push(&entry()).await;
    site.push(&exit()).await;
    site.later(60).await;
    let before = site.left().await.len();
    let cda = letter("000000000000191");
    for _ in 0..2 {
        push(&site, &mdm(&[cda.as_bytes()])).await.unwrap();
        site.later(180).await;
    }
    let left = site.left().await;
    assert_eq!(left[before..], ["Lettre de liaison 0003 EHPAD"]);
    let asked = site.feed.requests(10).await.unwrap();
    let own = asked.iter().find(|one| one.wanted == "lettre de liaison");
    assert_eq!(own.unwrap().state.name(), "answered", "nothing is missing");
}

#[tokio::test]
async fn a_letter_about_somebody_else_is_refused() {
    let site = Site::new().await;
    site.push(&entry()).await;
    let cda = letter("000000000000292");
    assert!(push(&site, &mdm(&[cda.as_bytes()])).await.is_err());
    let stranger = mdm(&[b"%PDF-1.7\n"]).replace("900123", "900124");
    assert!(push(&site, &stranger).await.is_err());
    assert!(push(&site, &mdm(&[b"<a>"])).await.is_err());
    assert_eq!(site.count("letter").await, 0);
}

#[tokio::test]
async fn a_withdrawn_letter_is_not_enclosed() {
    let site = Site::new().await;
    site.push(&entry()).await;
    let sent = mdm(&[b"%PDF-1.7\n"]).replace("PV1|", "TXA|1|L||||||||||doc-7\nPV1|");
    push(&site, &sent).await.unwrap();
    assert_eq!(site.count("letter").await, 1);
    let withdrawn = sent.replace("MDM^T02", "MDM^T11");
    let withdrawn = withdrawn.lines().filter(|line| !line.starts_with("OBX"));
    let withdrawn: Vec<&str> = withdrawn.collect();
    push(&site, &format!("{}\n", withdrawn.join("\n")))
        .await
        .unwrap();
    assert_eq!(site.count("letter").await, 0);
}

#[tokio::test]
async fn a_result_after_the_discharge_is_told_of_without_its_value() {
    let site = Site::new().await;
    site.push(&entry().replace("PV1|", "ROL||UC|ODRP|00000000011^GARANCE^CLAIRE^^^^^^ASIP-SANTE-PS&1.2.250.1.71.4.2.1&ISO^L^^^RPPS\nPV1|")).await;
    let oru = mdm(&[]).replace("MDM^T02", "ORU^R01")
        + "OBR|1|||718-7\nOBX|1|NM|718-7^HEMOGLOBINE||4.2|g/dl||LL|||F\n";
    let taken = push(&site, &oru).await.unwrap();
    assert_eq!(taken.notices, 0, "still in the hospital");
    site.push(&exit()).await;
    site.later(200).await;
    push(&site, &oru.replace("|d1|", "|d2|")).await.unwrap();
    site.later(200).await;
    let left = site.left().await;
    assert!(
        left.last()
            .unwrap()
            .starts_with("Résultat attendu disponible"),
        "{left:?}"
    );
    let contents = site.drafts.contents().await;
    let text = &contents.last().unwrap().0;
    assert!(
        text.contains("URGENT") && !text.contains("4.2") && !text.contains("HEMOGLOBINE"),
        "{text}"
    );
}
