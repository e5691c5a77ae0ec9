//! The operators' port of a site, blocking: HTTP/1.1, one request a connection.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use serde_json::Value;

use crate::Territory;
use crate::tls::PATIENCE;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a body in JSON")
    }
}

/// `GET path` without a token.
pub fn get(territory: &Territory, member: &str, path: &str) -> Answer {
    request(territory, member, &format!("GET {path}"), None, "")
}

/// A request with the token of the site, for example `("GET /v1/queue", "")`.
pub fn steer(territory: &Territory, member: &str, request_line: &str, body: &str) -> Answer {
    let path = territory.site_folder(member).join("admin.token");
    let token = fs::read_to_string(path).expect("the site has made its token");
    request(territory, member, request_line, Some(&token), body)
}

fn request(
    territory: &Territory,
    member: &str,
    line: &str,
    token: Option<&str>,
    body: &str,
) -> Answer {
    let port = territory.member(member).admin.expect("an operators' port");
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the port is open");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let authorization = token
        .map(|token| format!("Authorization: Bearer {token}\r\n"))
        .unwrap_or_default();
    let head = format!(
        "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{authorization}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Answer {
        status: status.expect("a status"),
        body: body.to_owned(),
    }
}

/// The sum of the samples of a metric whose labels hold all of these, out of `GET /metrics`.
pub fn sample(metrics: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    metrics
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let found = series.split('{').next() == Some(name)
                && labels
                    .iter()
                    .all(|(key, value)| series.contains(&format!("{key}=\"{value}\"")));
            found.then(|| value.parse::<f64>().ok()).flatten()
        })
        .sum()
}
