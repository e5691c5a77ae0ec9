//! The bottin as a page: in French, without scripts, for a keyboard, a screen reader or a phone.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use liaison_directory_client::{EntryKind, PublishedCertificate};
use liaison_mail::Address;
use serde::Deserialize;
use time::OffsetDateTime;
use time::macros::format_description;

use super::Served;
use crate::error::DirectoryError;
use crate::model::{Record, SecureMailbox};
use crate::search::Search as Wanted;
use crate::view::{About, Listing, View};

/// How many entries a page shows at most.
const SHOWN: usize = 200;
/// How many characters of a search are used.
const MAX_SEARCH: usize = 100;

/// The text searched for.
#[derive(Deserialize)]
pub(super) struct Search {
    #[serde(default)]
    q: String,
}

/// `GET /`: everybody, or those whom `?q=` finds.
pub(super) async fn bottin(
    State(served): State<Served>,
    search: Result<Query<Search>, QueryRejection>,
) -> Response {
    // A query that is not UTF-8 or comes twice finds everybody.
    let searched: String = search
        .map(|Query(search)| search.q.trim().chars().take(MAX_SEARCH).collect())
        .unwrap_or_default();
    match page(&served, searched) {
        Ok(page) => render(&page, StatusCode::OK),
        Err(DirectoryError::Empty) => render(
            &Unavailable { empty: true },
            StatusCode::SERVICE_UNAVAILABLE,
        ),
        Err(error) => {
            tracing::error!(%error, "the page could not be made");
            render(
                &Unavailable { empty: false },
                StatusCode::SERVICE_UNAVAILABLE,
            )
        }
    }
}

/// `GET /style.css`.
pub(super) async fn style() -> Response {
    let css = include_str!("../../templates/style.css");
    let media_type = HeaderValue::from_static("text/css; charset=utf-8");
    ([(header::CONTENT_TYPE, media_type)], css).into_response()
}

fn page(served: &Served, searched: String) -> Result<Bottin, DirectoryError> {
    let view = served.directory.view()?;
    let facts = view.about()?;
    let mut found = view.search(&Wanted::new(&searched, SHOWN + 1))?;
    let more = found.len() > SHOWN;
    found.truncate(SHOWN);
    let rows = found
        .iter()
        .map(|hit| Row::of(&view, &hit.listing))
        .collect::<Result<_, _>>()?;
    Ok(Bottin {
        as_of: day(facts.as_of),
        facts,
        searched,
        rows,
        more,
    })
}

fn render(template: &impl Template, status: StatusCode) -> Response {
    match template.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a template could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[derive(Template)]
#[template(path = "bottin.html")]
struct Bottin {
    facts: About,
    as_of: String,
    searched: String,
    rows: Vec<Row>,
    more: bool,
}

#[derive(Template)]
#[template(path = "unavailable.html")]
struct Unavailable {
    empty: bool,
}

struct Row {
    name: String,
    kind: &'static str,
    activity: String,
    organisation: String,
    town: String,
    identifier: String,
    mailboxes: Vec<MailboxLine>,
}

struct MailboxLine {
    address: Address,
    certificate: String,
    usable: bool,
}

impl Row {
    fn of(view: &View, listing: &Listing) -> Result<Self, DirectoryError> {
        let rpps = listing.rpps().map(|rpps| format!("RPPS {rpps}"));
        let finess = listing
            .finess()
            .filter(|_| listing.kind() == EntryKind::Organisation)
            .map(|finess| format!("FINESS {finess}"));
        let employer = match listing.organisation() {
            Some(subject) => view.record(subject)?,
            None => None,
        };
        Ok(Self {
            name: listing.name().to_owned(),
            kind: match listing.kind() {
                EntryKind::Person => "Personne",
                EntryKind::Organisation => "Structure",
                EntryKind::Service => "Service",
            },
            activity: listing.activity().unwrap_or_default().to_owned(),
            organisation: match employer.as_deref() {
                Some(Record::Organisation(employer)) => employer.name.clone(),
                _ => String::new(),
            },
            town: listing
                .place()
                .and_then(|place| place.town.clone())
                .unwrap_or_default(),
            identifier: rpps.or(finess).unwrap_or_default(),
            mailboxes: listing
                .mailboxes()
                .into_iter()
                .map(|listed| MailboxLine::of(listed, view.now()))
                .collect(),
        })
    }
}

impl MailboxLine {
    fn of(listed: &SecureMailbox, now: OffsetDateTime) -> Self {
        let usable = listed
            .certificates
            .iter()
            .filter(|certificate| certificate.is_usable(now))
            .map(|certificate| certificate.valid_until)
            .max();
        Self {
            address: listed.address.clone(),
            certificate: match usable {
                Some(until) => format!("Certificat valable jusqu’au {}", day(until)),
                None => unusable(&listed.certificates, now),
            },
            usable: usable.is_some(),
        }
    }
}

/// Why nothing can be encrypted for a mailbox: what is wrong with its latest certificate.
fn unusable(certificates: &[PublishedCertificate], now: OffsetDateTime) -> String {
    let latest = certificates
        .iter()
        .max_by_key(|certificate| certificate.valid_until);
    match latest {
        None => "Pas de certificat : aucun message ne peut être chiffré".to_owned(),
        Some(latest) => match latest.revoked_at {
            Some(since) => format!("Certificat révoqué le {}", day(since)),
            None if latest.valid_until < now => {
                format!("Certificat expiré le {}", day(latest.valid_until))
            }
            None => format!("Certificat valable à partir du {}", day(latest.valid_from)),
        },
    }
}

fn day(instant: OffsetDateTime) -> String {
    instant
        .format(format_description!("[day]/[month]/[year]"))
        .unwrap_or_default()
}
