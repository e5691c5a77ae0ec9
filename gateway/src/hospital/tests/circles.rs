//! What a table of care circles changes.

use super::*;
use crate::hospital::circle_import;

#[tokio::test]
async fn an_imported_circle_is_told_and_forgotten() {
    let site = Site::new().await;
    let table = "facility,ipp,role,address,care_prescribed\nCH-TEST,900123,had,had@soins.test,yes\nCH-TEST,900124,ssiad,ssiad@soins.test,\n";
    let lines = circle_import::read(table.as_bytes()).unwrap();
    for _ in 0..2 {
        let imported = site
            .feed
            .import_circles(lines.clone(), false)
            .await
            .unwrap();
        assert_eq!(imported.members, 2);
    }
    assert_eq!(
        site.count("care_member").await,
        2,
        "once, however often imported"
    );
    site.push(&entry()).await;
    site.later(180).await;
    let left = site.left().await;
    assert!(
        left.contains(&"Entrée à l'hôpital 0001 HAD".to_owned()),
        "{left:?}"
    );
    assert!(!left.iter().any(|one| one.ends_with("SSIAD")), "{left:?}");
    let patient = PatientKey::Local {
        facility: "CH-TEST".to_owned(),
        ipp: "900123".to_owned(),
    };
    assert_eq!(site.feed.circle_of(&patient).await.unwrap().len(), 3);
    let table = "facility,ipp,role,address\nCH-TEST,900123,idel,autre@cabinet.test\n";
    let lines = circle_import::read(table.as_bytes()).unwrap();
    site.feed.import_circles(lines, true).await.unwrap();
    assert_eq!(site.count("care_member").await, 2, "replaced");
    assert_eq!(site.feed.forget_circle(&patient).await.unwrap(), 1);
    let database = std::fs::read(site.folder.path().join("gateway.db")).unwrap();
    let shows = |text: &[u8]| database.windows(text.len()).any(|window| window == text);
    assert!(
        !shows(b"had@soins.test") && !shows(b"autre@cabinet.test"),
        "sealed"
    );
}
