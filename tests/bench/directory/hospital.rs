//! What the directory answers to hospital software over HTTPS, as FHIR.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_directory::text::fold;
use liaison_tests::registers::Someone;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::client::trusting;
use crate::figures::{at_most, times, within};
use crate::served::{PASSWORD, Served};

const ROUNDS: u32 = 500;

pub(crate) fn measure(served: &Served, folder: &Path, people: &[Someone]) {
    let stream = TcpStream::connect(served.https).unwrap();
    stream.set_nodelay(true).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(Arc::clone(&trusting(folder)), name).unwrap();
    let mut stream = BufReader::new(StreamOwned::new(session, stream));
    // The password is checked once, slowly, and then remembered.
    let _ = ask(&mut stream, "Practitioner?_count=1");
    let mut measured = |what: &str, query: &dyn Fn(&Someone) -> String| {
        let taken = times(ROUNDS, |round| {
            let bundle = ask(&mut stream, &query(&people[round as usize % people.len()]));
            assert!(bundle.contains("\"Bundle\""), "{bundle}");
        });
        at_most(what, "ms", within(&taken, 950), 50.0);
    };
    measured("FHIR: Practitioner by RPPS number, p95", &|person| {
        format!("Practitioner?identifier={}", person.rpps)
    });
    measured(
        "FHIR: Practitioner by family and given name, p95",
        &|person| {
            let (family, given) = (fold(&person.family), fold(&person.given));
            format!("Practitioner?family={family}&given={given}").replace(' ', "%20")
        },
    );
    measured(
        "FHIR: PractitionerRole by name, with all it includes, p95",
        &|person| {
            let family = fold(&person.family).replace(' ', "%20");
            format!(
                "PractitionerRole?practitioner.family={family}&role={}&_include=PractitionerRole:practitioner,PractitionerRole:organization",
                person.profession
            )
        },
    );
    measured("FHIR: Organization by a part of its name, p95", &|person| {
        let part: String = fold(&person.family).chars().take(5).collect();
        format!("Organization?name:contains={part}").replace(' ', "%20")
    });
}

fn ask(stream: &mut BufReader<StreamOwned<ClientConnection, TcpStream>>, path: &str) -> String {
    let login = STANDARD.encode(format!("banc0:{PASSWORD}"));
    let request = format!(
        "GET /fhir/{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {login}\r\n\r\n"
    );
    stream.get_mut().write_all(request.as_bytes()).unwrap();
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(octets) = line.strip_prefix("content-length: ") {
            length = octets.parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
}
