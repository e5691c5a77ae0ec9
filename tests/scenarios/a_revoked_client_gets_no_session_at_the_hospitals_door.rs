//! Two clients of the hospital's HTTPS port show certificates of one authority; the list of that
//! authority revokes one of them.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use liaison_tests::Territory;
use liaison_tests::programs::{attempt, run};

#[test]
fn a_revoked_client_gets_no_session_at_the_hospitals_door() {
    let territory = Territory::build();
    let folder = territory.folder().join("clients");
    authority(&folder);
    let port = open_the_door(&territory, &folder);
    let _site = ["dac", "hospital"].map(|member| territory.start_site(member));
    let call = |client: &str| {
        let name = &territory.member("hospital").server_name;
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "30", "--cacert"])
            .arg(territory.ca())
            .args(["--write-out", "%{http_code}", "--output", "/dev/null"])
            .args(["--resolve", &format!("{name}:{port}:127.0.0.1")])
            .arg("--cert")
            .arg(folder.join(format!("{client}.pem")))
            .arg("--key")
            .arg(folder.join(format!("{client}.key")))
            .args(["--header", "Idempotency-Key: k1", "--data-binary", "{}"])
            .arg(format!("https://{name}:{port}/v1/notices"));
        attempt(&mut curl, b"")
    };
    // One that is known reaches the page, which finds the event wanting.
    let good = call("good");
    assert_eq!(String::from_utf8_lossy(&good.stdout), "400", "{good:?}");
    let revoked = call("revoked");
    assert!(!revoked.status.success(), "{revoked:?}");
    assert_eq!(String::from_utf8_lossy(&revoked.stdout), "000");
}

/// An authority, its two clients, and its list.
fn authority(folder: &Path) {
    fs::create_dir(folder).unwrap();
    let openssl = |arguments: &[&str]| {
        run(
            Command::new("openssl").args(arguments).current_dir(folder),
            b"",
        );
    };
    let settings = "[ca]\ndefault_ca = own\n[own]\ndatabase = index.txt\nserial = serial\ncertificate = ca.pem\nprivate_key = ca.key\nnew_certs_dir = .\ndefault_md = sha256\ndefault_days = 30\ndefault_crl_days = 30\ncrlnumber = crlnumber\ncrl_extensions = list\npolicy = any\nx509_extensions = client\nunique_subject = no\n[any]\ncommonName = supplied\n[list]\nauthorityKeyIdentifier = keyid\n[client]\nbasicConstraints = critical,CA:FALSE\nextendedKeyUsage = clientAuth\nsubjectAltName = DNS:client.test\nauthorityKeyIdentifier = keyid\n";
    fs::write(folder.join("ca.cnf"), settings).unwrap();
    fs::write(folder.join("index.txt"), "").unwrap();
    fs::write(folder.join("serial"), "01\n").unwrap();
    fs::write(folder.join("crlnumber"), "01\n").unwrap();
    let key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ];
    let root = [
        "req",
        "-x509",
        "-days",
        "30",
        "-subj",
        "/CN=Clients",
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
    ];
    openssl(
        &[
            &root[..],
            &key[..],
            &["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
        ]
        .concat(),
    );
    for client in ["good", "revoked"] {
        let (file, request, subject) = (
            format!("{client}.key"),
            format!("{client}.csr"),
            format!("/CN={client}"),
        );
        let asks = ["req", "-subj", &subject, "-keyout", &file, "-out", &request];
        openssl(&[&asks[..], &key[..]].concat());
        let certificate = format!("{client}.pem");
        openssl(&[
            "ca",
            "-batch",
            "-notext",
            "-config",
            "ca.cnf",
            "-in",
            &request,
            "-out",
            &certificate,
        ]);
    }
    openssl(&["ca", "-config", "ca.cnf", "-revoke", "revoked.pem"]);
    openssl(&["ca", "-config", "ca.cnf", "-gencrl", "-out", "crl.pem"]);
}

fn open_the_door(territory: &Territory, folder: &Path) -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    let file = |name: &str| -> PathBuf { folder.join(name) };
    let path: PathBuf = territory.config("hospital");
    let mut settings = fs::read_to_string(&path).unwrap();
    settings.push_str(&format!(
        "\n[gateway.hospital.http]\nlisten = \"127.0.0.1:{port}\"\nanchors = \"{}\"\nrevocations = [\"{}\"]\n",
        file("ca.pem").display(),
        file("crl.pem").display()
    ));
    for client in ["good", "revoked"] {
        settings.push_str(&format!(
            "\n[[gateway.hospital.http.client]]\nname = \"{client}\"\nfacility = \"CH-VALOMBRE\"\ncertificate = \"{}\"\nmay = [\"notices\"]\n",
            file(&format!("{client}.pem")).display()
        ));
    }
    fs::write(path, settings).unwrap();
    port
}
