//! Requests and answers: who asks, what is asked, and in which form it is answered.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_base::login::Logins;
use ring::digest::{SHA256, digest};
use serde_json::Value;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::outcome::Fault;
use super::parameters::{self, Parameter};
use super::search::{Found, Plan};
use super::{Kind, bundle, capability, recipient};
use crate::directory::Directory;
use crate::quota::Quotas;

const MEDIA_TYPE: &str = "application/fhir+json; charset=utf-8";

/// What every request may use.
#[derive(Clone)]
pub(crate) struct Face {
    pub(crate) directory: Arc<Directory>,
    pub(crate) logins: Arc<Logins>,
    pub(crate) quotas: Arc<Quotas>,
}

/// The paths below `/fhir`.
pub(crate) fn routes(face: Face) -> Router {
    Router::new()
        .route("/metadata", get(metadata))
        .route(
            "/$find-recipient",
            get(find_recipient).post(find_recipient_posted),
        )
        .route("/{kind}", get(search))
        .route("/{kind}/_history", get(history))
        .route("/{kind}/_search", axum::routing::post(search_posted))
        .route("/{kind}/{id}", get(read))
        .route("/{kind}/{id}/_history", get(history_of_one))
        .fallback(nothing)
        .method_not_allowed_fallback(wrong_method)
        .with_state(face)
}

/// The entity tag of a resource: of what it says, whenever it was said (RFC 9110 §8.8.3, weak).
pub(super) fn tag(resource: &Value) -> String {
    let hash = digest(&SHA256, resource.to_string().as_bytes());
    let short: String = hash
        .as_ref()
        .iter()
        .take(12)
        .map(|octet| format!("{octet:02x}"))
        .collect();
    format!("W/\"{short}\"")
}

type Answer = Result<Response, Fault>;

async fn metadata(State(face): State<Face>, headers: HeaderMap) -> Response {
    let now = face.directory.view().map(|view| view.now());
    match now {
        Ok(now) => resource(&capability::statement(&base(&headers), now)),
        Err(error) => refusal(&error.into()),
    }
}

async fn search(
    State(face): State<Face>,
    remote: Option<Extension<IpAddr>>,
    Path(kind): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let found = async {
        let account = face.caller(&headers, remote).await?;
        face.searched(&account, &kind, &query.unwrap_or_default(), &headers)
    };
    answered(found.await)
}

/// Search by POST, so that what is searched for stands in no log of addresses (search.html).
async fn search_posted(
    State(face): State<Face>,
    remote: Option<Extension<IpAddr>>,
    Path(kind): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let found = async {
        let account = face.caller(&headers, remote).await?;
        let form =
            std::str::from_utf8(&body).map_err(|_| Fault::invalid("the form is not UTF-8"))?;
        face.searched(&account, &kind, form.trim(), &headers)
    };
    answered(found.await)
}

async fn history(
    State(face): State<Face>,
    remote: Option<Extension<IpAddr>>,
    Path(kind): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let found = async {
        let account = face.caller(&headers, remote).await?;
        let query = query.unwrap_or_default();
        let allowed = ["_since", "_count", "_cursor", "_format"];
        let parameters = parameters::read(&query)?;
        if parameters
            .iter()
            .any(|one| !allowed.contains(&one.name.as_str()))
        {
            return Err(Fault::unsupported(
                "a history takes _since, _count and _format",
            ));
        }
        let plan = Plan::read(of(&kind)?, &parameters)?;
        let found = face.found(&account, &plan)?;
        let path = format!("{kind}/_history");
        Ok(resource(&bundle::history(
            &base(&headers),
            &path,
            &plan,
            found,
        )))
    };
    answered(found.await)
}

async fn history_of_one(
    State(face): State<Face>,
    remote: Option<Extension<IpAddr>>,
    Path((kind, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let found = async {
        let account = face.caller(&headers, remote).await?;
        let plan = only(&kind, &id)?;
        let found = face.found(&account, &plan)?;
        if found.matches.is_empty() {
            return Err(Fault::not_found());
        }
        let path = format!("{kind}/{id}/_history");
        Ok(resource(&bundle::history(
            &base(&headers),
            &path,
            &plan,
            found,
        )))
    };
    answered(found.await)
}

async fn read(
    State(face): State<Face>,
    remote: Option<Extension<IpAddr>>,
    Path((kind, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let found = async {
        let account = face.caller(&headers, remote).await?;
        let found = face.found(&account, &only(&kind, &id)?)?;
        let (.., one) = found
            .matches
            .into_iter()
            .next()
            .ok_or_else(Fault::not_found)?;
        let known = headers
            .get(header::IF_NONE_MATCH)
            .and_then(|value| value.to_str().ok());
        if known.is_some_and(|known| known.split(',').any(|one_tag| one_tag.trim() == tag(&one))) {
            return Ok(StatusCode::NOT_MODIFIED.into_response());
        }
        Ok(resource(&one))
    };
    answered(found.await)
}

async fn find_recipient(
    State(face): State<Face>,
    remote: Option<Extension<IpAddr>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let found = async {
        face.caller(&headers, remote).await?;
        let parameters = parameters::read(&query.unwrap_or_default())?;
        let pairs = parameters
            .iter()
            .map(|one| Ok((one.name.as_str(), one.one()?)));
        let pairs: Vec<(&str, &str)> = pairs.collect::<Result<_, Fault>>()?;
        let query = recipient::query(pairs.into_iter())?;
        Ok(resource(&recipient::answer(
            &face.directory.view()?.resolve(&query)?,
        )))
    };
    answered(found.await)
}

async fn find_recipient_posted(
    State(face): State<Face>,
    remote: Option<Extension<IpAddr>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let found = async {
        face.caller(&headers, remote).await?;
        let query = recipient::posted(&body)?;
        Ok(resource(&recipient::answer(
            &face.directory.view()?.resolve(&query)?,
        )))
    };
    answered(found.await)
}

async fn nothing() -> Response {
    refusal(&Fault::not_found())
}

async fn wrong_method() -> Response {
    refusal(&Fault::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "not-supported",
        "this is read with GET; entries are changed in their source",
    ))
}

impl Face {
    fn searched(&self, account: &str, kind: &str, query: &str, headers: &HeaderMap) -> Answer {
        let plan = plan(kind, query)?;
        let found = self.found(account, &plan)?;
        Ok(resource(&bundle::searchset(&base(headers), &plan, found)))
    }

    /// Makes a search, unless the account has seen as much as a day allows.
    fn found(&self, account: &str, plan: &Plan) -> Result<Found, Fault> {
        let view = self.directory.view()?;
        let found = plan.find(&view)?;
        let (today, total) = (view.now().date(), view.actors());
        let mut shown = found.matches.iter().chain(&found.included);
        if shown.all(|(_, id, _)| self.quotas.admit(Some(account), *id, today, total)) {
            return Ok(found);
        }
        Err(Fault::new(
            StatusCode::TOO_MANY_REQUESTS,
            "throttled",
            "the number of different entries shown in a day is used up; ask again tomorrow",
        ))
    }

    /// Lets nobody in without an account (RFC 7617); gives its name.
    async fn caller(
        &self,
        headers: &HeaderMap,
        remote: Option<Extension<IpAddr>>,
    ) -> Result<String, Fault> {
        let unknown = || {
            Fault::new(
                StatusCode::UNAUTHORIZED,
                "login",
                "log in with the name and password of your account",
            )
        };
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let coded = given.and_then(|text| text.split_once(' '));
        let coded = coded.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
        let octets = coded.and_then(|(_, text)| STANDARD.decode(text.trim()).ok());
        let octets = Zeroizing::new(octets.ok_or_else(unknown)?);
        let at = octets
            .iter()
            .position(|octet| *octet == b':')
            .ok_or_else(unknown)?;
        let (user, password) = octets.split_at(at);
        let user = std::str::from_utf8(user).map_err(|_| unknown())?;
        let password = Zeroizing::new(password.get(1..).unwrap_or_default().to_vec());
        let remote = remote.map_or(IpAddr::from([127, 0, 0, 1]), |Extension(remote)| remote);
        match self.logins.authenticate(user, password, remote).await {
            Ok(account) => Ok(account),
            Err(denied) => {
                tracing::info!(%remote, %denied, "FHIR: not let in");
                Err(unknown())
            }
        }
    }
}

fn of(kind: &str) -> Result<Kind, Fault> {
    Kind::of(kind).ok_or_else(|| {
        Fault::new(
            StatusCode::NOT_FOUND,
            "not-supported",
            "this kind of resource is not served",
        )
    })
}

fn plan(kind: &str, query: &str) -> Result<Plan, Fault> {
    Plan::read(of(kind)?, &parameters::read(query)?)
}

/// The search for one resource.
fn only(kind: &str, id: &str) -> Result<Plan, Fault> {
    let id = Uuid::try_parse(id).map_err(|_| Fault::not_found())?;
    let wanted = Parameter {
        name: "_id".to_owned(),
        modifier: None,
        values: vec![id.to_string()],
    };
    Plan::read(of(kind)?, &[wanted])
}

/// Where the caller believes to speak to us: for links alone.
fn base(headers: &HeaderMap) -> String {
    let host = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok());
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    match host.filter(|host| host.chars().all(plain)) {
        Some(host) => format!("https://{host}/fhir"),
        None => "/fhir".to_owned(),
    }
}

fn answered(answer: Answer) -> Response {
    answer.unwrap_or_else(|fault| refusal(&fault))
}

fn refusal(fault: &Fault) -> Response {
    let mut response = resource(&fault.outcome());
    *response.status_mut() = fault.status;
    response.headers_mut().remove(header::ETAG);
    if fault.status == StatusCode::UNAUTHORIZED {
        let realm = HeaderValue::from_static("Basic realm=\"annuaire\", charset=\"UTF-8\"");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, realm);
    }
    response
}

fn resource(resource: &Value) -> Response {
    let mut response = Json(resource).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    if resource.get("id").is_some()
        && let Ok(tag) = HeaderValue::from_str(&tag(resource))
    {
        headers.insert(header::ETAG, tag);
    }
    response
}
