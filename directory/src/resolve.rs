//! The rules by which a query is answered.
//!
//! - An address is a mailbox, whatever its capital letters: it is found, or nobody is.
//! - An RPPS number is one person, who may be listed in several roles. Her only mailbox is found;
//!   between several roles that have one, nothing is chosen.
//! - A FINESS number is an organisation with its services. For a purpose, the one mailbox among
//!   theirs that declares it is found. Otherwise the organisation's own mailbox is.
//! - Between the mailboxes of one role or organisation only the purpose chooses: the one that
//!   declares it, else the one that takes everything. Whatever is left open is returned as
//!   candidates.

mod absence;

use liaison_directory_client::{
    By, Entry, Finding, Finess, Mailbox, Purpose, Query, Reason, ReasonCode, Resolution, Rpps,
};
use liaison_mail::Address;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use crate::error::DirectoryError;
use crate::model::{Absence, Origin, Record, SecureMailbox, Subject};
use crate::search::{Hit, Match, Search};
use crate::view::{ListState, Listing, View};

/// Answers `query`; the view's instant decides which certificates are usable.
///
/// # Errors
/// [`DirectoryError::Index`].
pub(crate) fn resolve(view: &View, query: &Query) -> Result<Resolution, DirectoryError> {
    let purpose = query.purpose.as_ref();
    let answer = match &query.by {
        By::Address(address) => by_address(view, address)?,
        By::Rpps(rpps) => by_rpps(view, rpps, purpose)?,
        By::Finess(finess) => by_finess(view, finess, purpose)?,
        By::Text(text) => by_text(view, text, purpose)?,
        By::WithoutFamilyDoctor(commune) => by_fallback(view, commune, purpose)?,
    };
    // Who writes to an address means that mailbox: it is warned of an absence, and not led
    // elsewhere.
    let may_replace = !matches!(query.by, By::Address(_));
    let Answer {
        finding,
        mut reasons,
        chosen,
    } = absence::applied(view, answer, purpose, may_replace)?;
    if let Finding::Found(entry) = &finding {
        reasons.extend(certificate_reasons(entry, view.now()));
    }
    let origin = chosen.as_ref().and_then(|chosen| chosen.origin.clone());
    if let Some(chosen) = &chosen {
        reasons.extend(warnings(view, chosen));
    }
    let about = view.about()?;
    let (as_of, source) = match origin {
        Some(origin) => (origin.observed_at, origin.signer),
        None => (about.as_of, about.source),
    };
    Ok(Resolution {
        finding,
        reasons,
        as_of,
        source,
    })
}

struct Answer {
    finding: Finding,
    reasons: Vec<Reason>,
    /// The mailbox that was found.
    chosen: Option<Candidate>,
}

fn by_address(view: &View, address: &Address) -> Result<Answer, DirectoryError> {
    let owners = view.owner_of(address)?;
    let mut candidates = Vec::new();
    for listing in &owners {
        let found = candidates_of(view, listing, true)?;
        candidates.extend(
            found
                .into_iter()
                .filter(|one| one.entry.mailbox.address.key() == address.key()),
        );
    }
    // A person who has the mailbox in every role is one owner.
    candidates.dedup_by(|a, b| a.owner == b.owner);
    let Some(first) = candidates.first() else {
        return Ok(not_listed("No mailbox with this address is listed."));
    };
    let mut reasons = vec![Reason::new(
        ReasonCode::ExactAddress,
        format!("The address is a listed mailbox of {}.", first.entry.name),
    )];
    if first.entry.mailbox.address.local() != address.local() {
        reasons.push(Reason::new(
            ReasonCode::AddressCaseDiffers,
            "The address is listed with other capital letters, which do not matter.",
        ));
    }
    Ok(Answer {
        finding: Finding::Found(Box::new(first.entry.clone())),
        reasons,
        chosen: Some(first.clone()),
    })
}

fn by_rpps(view: &View, rpps: &Rpps, purpose: Option<&Purpose>) -> Result<Answer, DirectoryError> {
    let mut listings = view.named(&format!("rpps:{rpps}"))?;
    listings.sort_by_key(|listing| listing.role().map(|role| role.meta.subject.clone()));
    listings.sort_by_key(position);
    let mut groups = Vec::with_capacity(listings.len());
    for listing in listings {
        let candidates = candidates_of(view, &listing, true)?;
        groups.push(Group {
            listing,
            candidates,
        });
    }
    // A mailbox of the person herself is the same in every role.
    let mut seen: Vec<Address> = Vec::new();
    for group in &mut groups {
        group.candidates.retain(|one| {
            let address = &one.entry.mailbox.address;
            let is_new = !seen.contains(address);
            if is_new {
                seen.push(address.clone());
            }
            is_new
        });
    }
    let listed = Reason::new(ReasonCode::ExactRpps, "The RPPS number is listed.");
    Ok(choose(&groups, purpose, listed))
}

fn by_finess(
    view: &View,
    finess: &Finess,
    purpose: Option<&Purpose>,
) -> Result<Answer, DirectoryError> {
    let mut groups = Vec::new();
    for listing in view.named(&format!("finess:{finess}"))? {
        let mut candidates = candidates_of(view, &listing, true)?;
        let services = listing
            .structure()
            .map(|one| one.services.clone())
            .unwrap_or_default();
        for service in &services {
            if let Some(part) = Listing::of(listing.record.clone(), service.meta.subject.clone()) {
                candidates.extend(candidates_of(view, &part, false)?);
            }
        }
        groups.push(Group {
            listing,
            candidates,
        });
    }
    let listed = Reason::new(ReasonCode::ExactFiness, "The FINESS number is listed.");
    Ok(choose(&groups, purpose, listed))
}

/// How many candidates a text may have.
const TYPED_CANDIDATES: usize = 10;

/// What somebody typed: found only when one recipient is meant and every word is exactly its.
fn by_text(view: &View, text: &str, purpose: Option<&Purpose>) -> Result<Answer, DirectoryError> {
    let mut search = Search::new(text, TYPED_CANDIDATES);
    search.purpose = purpose.cloned();
    let hits = view.search(&search)?;
    let is_exact = |hit: &Hit| {
        !hit.matches.iter().any(|how| {
            matches!(
                how,
                Match::Beginning | Match::Slip | Match::Sound | Match::Address
            )
        })
    };
    let mut groups = Vec::new();
    for hit in &hits {
        groups.push(Group {
            candidates: candidates_of(view, &hit.listing, true)?,
            listing: hit.listing.clone(),
        });
    }
    let Some(first) = hits.first() else {
        return Ok(not_listed("Nobody is listed by these words."));
    };
    if hits.len() == 1 && is_exact(first) {
        let listed = Reason::new(
            ReasonCode::TextMatch,
            "Only this entry has all these words.",
        );
        return Ok(choose(&groups, purpose, listed));
    }
    let candidates: Vec<Entry> = groups
        .iter()
        .flat_map(|group| group.candidates.iter().map(|one| one.entry.clone()))
        .collect();
    if candidates.is_empty() {
        let listed = Reason::new(
            ReasonCode::TextMatch,
            "Entries with these words are listed.",
        );
        return Ok(choose(&groups, purpose, listed));
    }
    let reason = if is_exact(first) {
        Reason::new(
            ReasonCode::SeveralEntries,
            "Several entries have these words; one of them must be chosen.",
        )
    } else {
        Reason::new(
            ReasonCode::TextResembles,
            "These entries resemble what was typed; the right one must be confirmed.",
        )
    };
    Ok(Answer {
        finding: Finding::Ambiguous(candidates),
        reasons: vec![reason],
        chosen: None,
    })
}

/// Whom the territory of a town names for patients without a family doctor: the first who has a
/// mailbox.
fn by_fallback(
    view: &View,
    commune: &str,
    purpose: Option<&Purpose>,
) -> Result<Answer, DirectoryError> {
    for territory in view.territories()? {
        if !territory.communes.iter().any(|code| code == commune) {
            continue;
        }
        for subject in &territory.fallbacks {
            let Some(listing) = view.listing_of(subject)? else {
                continue;
            };
            let candidates = candidates_of(view, &listing, true)?;
            if candidates.is_empty() {
                continue;
            }
            let reason = Reason::new(
                ReasonCode::TerritoryFallback,
                format!(
                    "{} names {} for patients without a family doctor.",
                    territory.name,
                    listing.name()
                ),
            );
            let group = Group {
                listing,
                candidates,
            };
            return Ok(choose(&[group], purpose, reason));
        }
    }
    Ok(not_listed(
        "No territory with this town names anybody for patients without a family doctor.",
    ))
}

/// What there is to say about the mailbox that was found, besides its certificates.
fn warnings(view: &View, chosen: &Candidate) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if let Some(since) = chosen.missing_since {
        reasons.push(Reason::new(
            ReasonCode::SuspectedClosed,
            format!(
                "The national extract has not listed this mailbox since {since}: it may be closed."
            ),
        ));
    }
    if chosen.has_bounced {
        reasons.push(Reason::new(
            ReasonCode::LastMessageReturned,
            "The last message to this mailbox came back.",
        ));
    }
    let origin = chosen.origin.as_ref();
    let stale = view.lists().iter().find(|list| {
        origin.is_some_and(|origin| {
            let is_log = list.list.starts_with(ListState::LOG);
            list.source == origin.source && (!is_log || list.signer == origin.signer)
        }) && list.is_stale(view.now())
    });
    if let Some(stale) = stale {
        reasons.push(Reason::new(
            ReasonCode::StaleSource,
            format!(
                "The list `{}` is of {}: it has not come for {} days.",
                stale.list,
                day(stale.observed_at),
                (view.now() - stale.observed_at).whole_days()
            ),
        ));
    }
    reasons
}

/// The order of a role in its list.
fn position(listing: &Listing) -> usize {
    listing
        .person()
        .and_then(|person| {
            person
                .roles
                .iter()
                .position(|role| role.meta.subject == listing.subject)
        })
        .unwrap_or(usize::MAX)
}

/// One recipient that the identifier may mean: a person in one role, or an organisation with its
/// services.
struct Group {
    listing: Listing,
    /// Every mailbox: those of the recipient itself first, then those of its services.
    candidates: Vec<Candidate>,
}

#[derive(Clone)]
struct Candidate {
    entry: Entry,
    /// Whether it is a mailbox of the recipient itself rather than of one of its services.
    own: bool,
    /// Of whom the mailbox is.
    owner: Option<Subject>,
    origin: Option<Origin>,
    /// The absence that holds today.
    absence: Option<Absence>,
    /// Since when the extract no longer lists the mailbox.
    missing_since: Option<Date>,
    /// Whether the last message came back.
    has_bounced: bool,
}

/// An entry for each mailbox of a listing.
fn candidates_of(
    view: &View,
    listing: &Listing,
    own: bool,
) -> Result<Vec<Candidate>, DirectoryError> {
    let employer = match listing.organisation() {
        Some(subject) if listing.kind() != liaison_directory_client::EntryKind::Organisation => {
            view.record(subject)?
        }
        _ => None,
    };
    let employer = employer.as_deref().and_then(|record| match record {
        Record::Organisation(organisation) => Some(organisation),
        _ => None,
    });
    let mailboxes = listing.mailboxes();
    Ok((0..mailboxes.len())
        .filter_map(|index| {
            let mailbox = mailboxes.get(index)?;
            let others = mailboxes
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != index);
            Some(Candidate {
                entry: Entry {
                    kind: listing.kind(),
                    name: listing.name().to_owned(),
                    profession: listing.role().and_then(|role| role.activity.clone()),
                    rpps: listing.rpps().cloned(),
                    finess: listing
                        .finess()
                        .cloned()
                        .or_else(|| employer.and_then(|one| one.finess.clone())),
                    organisation: employer.map(|one| one.name.clone()),
                    mailbox: published(mailbox),
                    certificates: mailbox.certificates.clone(),
                    alternates: others.map(|(_, other)| published(other)).collect(),
                },
                own,
                owner: mailbox.meta.subject.parent(),
                origin: mailbox.meta.origin(crate::model::Field::Address).cloned(),
                absence: listing.absence(view.now().date()).cloned(),
                missing_since: mailbox.missing_since,
                has_bounced: mailbox.last_bounce.is_some()
                    && mailbox.last_bounce >= mailbox.last_delivered,
            })
        })
        .collect())
}

fn published(mailbox: &SecureMailbox) -> Mailbox {
    Mailbox {
        address: mailbox.address.clone(),
        kind: mailbox.kind,
        purposes: mailbox.purposes.clone(),
    }
}

fn choose(groups: &[Group], purpose: Option<&Purpose>, listed: Reason) -> Answer {
    let Some(first) = groups.first() else {
        return not_listed("Nobody is listed with this number.");
    };
    let with_mailboxes: Vec<Vec<Candidate>> = groups
        .iter()
        .map(|group| group.candidates.clone())
        .filter(|candidates| !candidates.is_empty())
        .collect();
    match with_mailboxes.as_slice() {
        [] => {
            let text = format!("{} is listed without a mailbox.", first.listing.name());
            Answer {
                finding: Finding::NoMailbox {
                    kind: first.listing.kind(),
                    name: first.listing.name().to_owned(),
                },
                reasons: vec![listed, Reason::new(ReasonCode::NoMailbox, text)],
                chosen: None,
            }
        }
        [candidates] => choose_mailbox(candidates, purpose, listed),
        several => {
            let text = format!(
                "{} entries with a mailbox have this number; one of them must be chosen.",
                several.len()
            );
            let candidates = several.iter().flatten().map(|one| one.entry.clone());
            Answer {
                finding: Finding::Ambiguous(candidates.collect()),
                reasons: vec![listed, Reason::new(ReasonCode::SeveralEntries, text)],
                chosen: None,
            }
        }
    }
}

/// Chooses between the mailboxes of one recipient; `candidates` is not empty.
fn choose_mailbox(candidates: &[Candidate], purpose: Option<&Purpose>, listed: Reason) -> Answer {
    let mut reasons = vec![listed];
    let fitting: Vec<Candidate> = match purpose {
        Some(purpose) => {
            let declaring = matching(candidates, |one| {
                one.entry.mailbox.purposes.contains(purpose)
            });
            if let [only] = declaring.as_slice() {
                reasons.push(Reason::new(
                    ReasonCode::PurposeMatch,
                    format!("Only this mailbox declares the purpose `{purpose}`."),
                ));
                return found(only, reasons);
            }
            if declaring.is_empty() {
                let general = matching(candidates, |one| {
                    one.own && one.entry.mailbox.purposes.is_empty()
                });
                if let [only] = general.as_slice() {
                    reasons.push(Reason::new(
                        ReasonCode::OnlyMailbox,
                        "It is the recipient's only mailbox that takes everything.",
                    ));
                    return found(only, reasons);
                }
                reasons.push(Reason::new(
                    ReasonCode::PurposeUnmatched,
                    format!("No mailbox declares the purpose `{purpose}`."),
                ));
                own_or_all(candidates)
            } else {
                declaring
            }
        }
        None => own_or_all(candidates),
    };
    if let [only] = fitting.as_slice() {
        reasons.push(Reason::new(
            ReasonCode::OnlyMailbox,
            "It is the recipient's only mailbox.",
        ));
        return found(only, reasons);
    }
    reasons.push(Reason::new(
        ReasonCode::SeveralMailboxes,
        format!(
            "The recipient has {} mailboxes; one of them must be chosen.",
            fitting.len()
        ),
    ));
    let candidates = fitting.into_iter().map(|one| one.entry).collect();
    Answer {
        finding: Finding::Ambiguous(candidates),
        reasons,
        chosen: None,
    }
}

fn found(only: &Candidate, reasons: Vec<Reason>) -> Answer {
    Answer {
        finding: Finding::Found(Box::new(only.entry.clone())),
        reasons,
        chosen: Some(only.clone()),
    }
}

/// The recipient's own mailboxes; its services' when it has none.
fn own_or_all(candidates: &[Candidate]) -> Vec<Candidate> {
    let own = matching(candidates, |one| one.own);
    if own.is_empty() {
        candidates.to_vec()
    } else {
        own
    }
}

fn matching(candidates: &[Candidate], rule: impl Fn(&Candidate) -> bool) -> Vec<Candidate> {
    candidates.iter().filter(|one| rule(one)).cloned().collect()
}

fn not_listed(text: &str) -> Answer {
    Answer {
        finding: Finding::Unknown,
        reasons: vec![Reason::new(ReasonCode::NotListed, text)],
        chosen: None,
    }
}

/// What there is to say about the certificates: which are not usable, and whether any is.
fn certificate_reasons(entry: &Entry, now: OffsetDateTime) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for certificate in &entry.certificates {
        let short = certificate.sha256.get(..16).unwrap_or_default();
        if let Some(since) = certificate.revoked_at {
            reasons.push(Reason::new(
                ReasonCode::CertificateRevoked,
                format!("The certificate {short} was revoked on {}.", day(since)),
            ));
        } else if certificate.valid_until < now {
            reasons.push(Reason::new(
                ReasonCode::CertificateExpired,
                format!(
                    "The certificate {short} expired on {}.",
                    day(certificate.valid_until)
                ),
            ));
        } else if certificate.valid_from > now {
            reasons.push(Reason::new(
                ReasonCode::CertificateNotYetValid,
                format!(
                    "The certificate {short} is not valid before {}.",
                    day(certificate.valid_from)
                ),
            ));
        }
    }
    if entry.usable_certificates(now).is_empty() {
        reasons.push(Reason::new(
            ReasonCode::NoUsableCertificate,
            "No certificate of this mailbox is usable now: nothing can be encrypted for it.",
        ));
    }
    reasons
}

fn day(instant: OffsetDateTime) -> String {
    instant
        .format(format_description!("[year]-[month]-[day]"))
        .unwrap_or_default()
}
