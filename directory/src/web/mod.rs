//! HTTPS: the API for gateways and relays, and the bottin as a page for people.
//!
//! - `api.rs`: `POST /v1/resolve`, `GET /v1/relays/by-domain/{domain}`,
//!   `GET /v1/relays/by-name/{name}`, `GET /healthz`.
//! - `page.rs`: `GET /`, the bottin.
//! - `/fhir`: [`crate::fhir`].
//! - `problem.rs`: errors on the wire (RFC 9457).
//! - `connection.rs`: TLS and HTTP on one connection, with its limits.

mod api;
mod connection;
mod page;
mod problem;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use liaison_base::clock::Clock;
use liaison_base::login::{Login, Logins};
use liaison_base::shutdown::Shutdown;
use liaison_base::tls;
use liaison_directory_client::ProblemKind;
use tokio::net::TcpListener;

use crate::directory::Directory;
use crate::error::DirectoryError;
use crate::fhir;
use crate::import::{FileKind, Options};
use crate::ldap;
use crate::quota::Quotas;
use crate::settings::Settings;
use crate::sharing::{self, Sharing};

/// The longest body of a request, in octets.
const MAX_BODY: usize = 64 * 1024;
/// How long a request may take from its headers to its answer, its body included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How often it is looked for what another process has imported.
const FOLLOW_EVERY: Duration = Duration::from_secs(2);

/// A directory that serves.
#[derive(Debug)]
pub struct Running {
    /// Where it listens, with the port that was taken.
    pub address: SocketAddr,
    /// Where LDAP listens, if it is served.
    pub ldap: Option<ldap::Addresses>,
    /// The entries, for roles in the same process.
    pub directory: Arc<Directory>,
}

/// Opens the database, imports the file of entries, and serves HTTPS and LDAP until `shutdown` is asked.
/// When this returns, the address is bound and connections are taken.
///
/// A file that cannot be imported is an error only when there are no earlier entries; otherwise
/// it is logged and these keep serving.
///
/// # Errors
/// [`DirectoryError`], as [`Directory::open`] and [`Directory::import`];
/// [`DirectoryError::Listen`] when the address is taken.
pub async fn serve(
    settings: &Settings,
    shutdown: &Shutdown,
    clock: Arc<dyn Clock>,
) -> Result<Running, DirectoryError> {
    let identity = tls::Identity::load(&settings.tls_certificate, &settings.tls_key)?;
    let config = tls::server(identity)?;
    let logins = Arc::new(logins(settings, &clock)?);
    let directory = Directory::open(
        settings.database.clone(),
        &settings.sets,
        Arc::clone(&clock),
    );
    let directory = Arc::new(directory.await?);
    if let Some(file) = &settings.entries {
        import_or_keep(&directory, file).await?;
    }
    let refused = |cause| DirectoryError::Listen {
        address: settings.listen,
        cause,
    };
    let listener = TcpListener::bind(settings.listen).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let state = Served {
        directory: Arc::clone(&directory),
    };
    shutdown.spawn(follow(Arc::clone(&directory), shutdown.clone()));
    let quotas = Arc::new(Quotas::default());
    let ldap = match &settings.ldap {
        Some(ldap) => {
            let shared = (
                Arc::clone(&logins),
                Arc::clone(&config),
                Arc::clone(&quotas),
            );
            let directory = Arc::clone(&directory);
            Some(ldap::serve(ldap, directory, shared, (clock, shutdown)).await?)
        }
        None => None,
    };
    let face = fhir::Face {
        directory: Arc::clone(&directory),
        logins,
        quotas,
    };
    let mut routes = routes(state, face);
    if let Some(settings) = &settings.sharing {
        let sharing = Arc::new(Sharing::open(settings, Arc::clone(&directory))?);
        routes = routes.merge(wrapped(sharing::routes(Arc::clone(&sharing))));
        shutdown.spawn(sharing.run(shutdown.clone()));
    }
    let door = connection::Door::new(listener, config, routes, shutdown.clone());
    shutdown.spawn(door.run());
    tracing::info!(%address, "the directory listens");
    Ok(Running {
        address,
        ldap,
        directory,
    })
}

fn logins(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Logins, DirectoryError> {
    let logins = settings.accounts.iter().map(|account| Login {
        user: account.user.clone(),
        names: Vec::new(),
        password: account.password.clone(),
    });
    Ok(Logins::new(logins.collect(), Arc::clone(clock))?)
}

/// Takes over what the command line or another process of this role imports.
async fn follow(directory: Arc<Directory>, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = shutdown.asked() => return,
            () = tokio::time::sleep(FOLLOW_EVERY) => {}
        }
        if let Err(error) = directory.refresh().await {
            tracing::error!(%error, "what was imported meanwhile could not be taken over");
        }
    }
}

async fn import_or_keep(
    directory: &Directory,
    file: &std::path::Path,
) -> Result<(), DirectoryError> {
    match directory
        .import(FileKind::Entries, file, Options::default())
        .await
    {
        Ok(_) => Ok(()),
        Err(error) => match directory.view().and_then(|view| view.about()) {
            Ok(facts) => {
                tracing::error!(
                    %error,
                    as_of = %facts.as_of,
                    "the entries were not imported; the earlier ones keep serving"
                );
                Ok(())
            }
            Err(_) => Err(error),
        },
    }
}

/// What every request may use.
#[derive(Clone)]
struct Served {
    directory: Arc<Directory>,
}

fn routes(state: Served, face: fhir::Face) -> Router {
    let routes = Router::new()
        .route("/", get(page::bottin))
        .route("/style.css", get(page::style))
        .route("/healthz", get(api::health))
        .route("/v1/resolve", post(api::resolve))
        .route("/v1/relays/by-domain/{domain}", get(api::relay_of))
        .route("/v1/relays/by-name/{name}", get(api::peer))
        .fallback(problem::no_such_page)
        .method_not_allowed_fallback(problem::wrong_method)
        .with_state(state)
        .nest("/fhir", fhir::routes(face));
    wrapped(routes)
}

/// With the limits and headers of every request.
fn wrapped(routes: Router) -> Router {
    routes
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(limit_time))
        .layer(middleware::from_fn(harden))
}

async fn limit_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => problem::response(
            ProblemKind::Timeout,
            "The request took too long; send it again.",
        ),
    }
}

/// Headers that every answer bears: nothing is loaded from elsewhere, framed, guessed, or kept by
/// a shared cache.
async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}
