//! FHIR R4, for hospital software: the resources of IHE mCSD in the French profiles.
//!
//! `GET /fhir/metadata` says what is served; everything else wants an account of the settings
//! (HTTP Basic). Practitioner, PractitionerRole, Organization, Location, HealthcareService and
//! Endpoint are read, searched (ITI-90) and followed (ITI-91, `_history?_since=`);
//! `$find-recipient` is `POST /v1/resolve` in FHIR's words. A parameter that is not known is
//! refused rather than ignored: a search without it would find far more than was asked.
//!
//! - `parameters.rs`: a query string into parameters, with limits. `kind.rs`: [`Kind`], what each
//!   kind of resource has. `search.rs`: the search of one. `recipient.rs`: `$find-recipient`.
//! - `people.rs`, `organisations.rs`: records as resources, from `element.rs`, their parts.
//! - `bundle.rs`: pages and histories. `outcome.rs`: what went wrong. `capability.rs`: what is
//!   served. `answer.rs`: requests and answers.

mod answer;
mod bundle;
mod capability;
mod element;
mod kind;
mod organisations;
mod outcome;
mod parameters;
mod people;
mod recipient;
mod search;

pub(crate) use answer::{Face, routes};

use kind::Kind;

/// Lets a fuzzer at what a caller's query string reaches.
#[cfg(fuzzing)]
pub(crate) mod fuzzing {
    use super::kind::Kind;
    use super::search::Plan;

    /// Reads a query string as the search of every kind of resource.
    pub fn query(text: &str) {
        for kind in Kind::ALL {
            if let Ok(parameters) = super::parameters::read(text) {
                let _ = Plan::read(kind, &parameters);
            }
        }
    }
}
