//! Python's ldap3 and OpenLDAP's ldapsearch, which nobody here wrote, search the directory as the
//! address fields of mail clients do: with an account, over LDAPS and StartTLS.

use std::process::Command;

use liaison_tests::Territory;
use liaison_tests::programs::{python, run};
use liaison_tests::territory::{DOCTOR, liaison};

/// Somebody with an accent, and others whose names nearly sound so.
const LIST: &str = "type;identifiant;nom;prenom;activite;commune;adresse_mss;type_bal
personne;a-1;LEFÈVRE;Hélène;Sage-femme;Valfictif;helene.lefevre@valfictif.test;PER
personne;a-2;LEFÉBURE;Zoé;Diététicienne;Valfictif;zoe.lefebure@valfictif.test;PER
";

#[test]
fn mail_clients_find_people_over_ldap() {
    let territory = Territory::build();
    let list = territory.folder().join("liste.csv");
    std::fs::write(&list, LIST).unwrap();
    run(
        liaison()
            .args(["directory", "import", "community"])
            .arg(&list)
            .args(["--date", "2026-11-22", "--config"])
            .arg(territory.config("dac")),
        b"",
    );
    let _site = territory.start_site("dac");
    let directory = territory.member("dac");
    let account = territory.account(DOCTOR);
    let suffix = directory.ldap_base.as_deref().unwrap();
    let said = run(
        python()
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/scenarios/find_people_with_ldap3.py"
            ))
            .arg(directory.ldaps.unwrap().to_string())
            .arg(territory.ca())
            .args([suffix, &account.user, &account.password]),
        b"",
    );
    assert_eq!(String::from_utf8(said).unwrap(), "found\n");

    // What Thunderbird's autocompletion sends for « garn »; ldapsearch itself refuses its double star.
    let ldaps = format!("ldaps://127.0.0.1:{}", directory.ldaps.unwrap());
    let clear = format!("ldap://127.0.0.1:{}", directory.ldap.unwrap());
    let name = format!("uid={},ou=comptes,{suffix}", account.user);
    let search = |url: &str, options: &[&str], filter: &str| {
        let found = run(
            Command::new("ldapsearch")
                .env("LDAPTLS_CACERT", territory.ca())
                .args(["-x", "-LLL", "-o", "ldif-wrap=no", "-H", url, "-b", suffix])
                .args(["-D", &name, "-w", &account.password])
                .args(options)
                .arg(filter),
            b"",
        );
        String::from_utf8(found).unwrap()
    };
    let typed = "(|(cn=*garn*)(mail=*garn*)(givenName=*garn*)(sn=*garn*))";
    let over_tls = search(&ldaps, &["-z", "100"], typed);
    assert!(
        over_tls.contains(&format!("mail: {DOCTOR}\n")),
        "{over_tls}"
    );
    assert!(
        over_tls.contains("userCertificate;binary:: MII"),
        "{over_tls}"
    );
    assert_eq!(over_tls, search(&clear, &["-z", "100", "-ZZ"], typed));
    // What Thunderbird and Outlook send for « lefevre »; LDIF writes LEFÈVRE in base64.
    for filter in [
        "(|(cn=*lefevre*)(mail=*nobody*)(givenName=*lefevre*)(sn=*lefevre*))",
        "(&(mail=*)(|(mail=nobody*)(|(cn=lefevre*)(|(sn=lefevre*)(givenName=lefevre*)))))",
        "(sn=lefevre)",
    ] {
        let found = search(&ldaps, &["-z", "100"], filter);
        assert_eq!(found.matches("dn:").count(), 1, "{filter}: {found}");
        assert!(found.contains("sn:: TEVGw4hWUkU=\n"), "{filter}: {found}");
    }
    let odd = search(
        &ldaps,
        &[],
        "(|(legacyExchangeDN=x)(mozillaUnknown=*)(sn=GARNIER))",
    );
    assert!(odd.contains(&format!("mail: {DOCTOR}\n")), "{odd}");
    let whoami = run(
        Command::new("ldapwhoami")
            .env("LDAPTLS_CACERT", territory.ca())
            .args(["-x", "-H", &ldaps, "-D", &name, "-w", &account.password]),
        b"",
    );
    assert_eq!(
        String::from_utf8(whoami).unwrap(),
        format!("u:{}\n", account.user.to_lowercase())
    );
    let log = territory.log("dac");
    assert!(!log.contains(&account.password), "a password was logged");
}
