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

use liaison_directory_client::{
    By, Entry, Finding, Finess, Purpose, Query, Reason, ReasonCode, Resolution, Rpps,
};
use liaison_mail::Address;
use sqlx::AnyConnection;
use time::OffsetDateTime;
use time::macros::format_description;

use crate::entry::Listing;
use crate::error::DirectoryError;
use crate::store;

/// The most entries with one identifier, or services of one organisation, that are looked at.
const MAX_CANDIDATES: i64 = 50;

/// Answers `query` from one snapshot of the entries; `now` decides which certificates are usable.
///
/// # Errors
/// [`DirectoryError::Empty`] when nothing was ever imported; [`DirectoryError::Store`].
pub(crate) async fn resolve(
    snapshot: &mut AnyConnection,
    query: &Query,
    now: OffsetDateTime,
) -> Result<Resolution, DirectoryError> {
    let facts = store::facts(snapshot).await?.ok_or(DirectoryError::Empty)?;
    let purpose = query.purpose.as_ref();
    let (finding, mut reasons) = match &query.by {
        By::Address(address) => by_address(snapshot, address).await?,
        By::Rpps(rpps) => by_rpps(snapshot, rpps, purpose).await?,
        By::Finess(finess) => by_finess(snapshot, finess, purpose).await?,
    };
    if let Finding::Found(entry) = &finding {
        reasons.extend(certificate_reasons(entry, now));
    }
    Ok(Resolution {
        finding,
        reasons,
        as_of: facts.as_of,
        source: facts.source,
    })
}

type Answer = (Finding, Vec<Reason>);

async fn by_address(
    snapshot: &mut AnyConnection,
    address: &Address,
) -> Result<Answer, DirectoryError> {
    let not_listed = || not_listed("No mailbox with this address is listed.");
    let Some(listing) = store::by_address(snapshot, address).await? else {
        return Ok(not_listed());
    };
    let employer = employer_of(snapshot, &listing).await?;
    let index = listing
        .mailboxes
        .iter()
        .position(|listed| listed.mailbox.address == *address);
    let Some(entry) = index.and_then(|index| listing.entry(index, employer.as_ref())) else {
        return Ok(not_listed());
    };
    let mut reasons = vec![Reason::new(
        ReasonCode::ExactAddress,
        format!("The address is a listed mailbox of {}.", listing.name),
    )];
    if entry.mailbox.address.local() != address.local() {
        reasons.push(Reason::new(
            ReasonCode::AddressCaseDiffers,
            "The address is listed with other capital letters, which do not matter.",
        ));
    }
    Ok((Finding::Found(Box::new(entry)), reasons))
}

async fn by_rpps(
    snapshot: &mut AnyConnection,
    rpps: &Rpps,
    purpose: Option<&Purpose>,
) -> Result<Answer, DirectoryError> {
    let listings = store::by_rpps(snapshot, rpps, MAX_CANDIDATES).await?;
    let mut groups = Vec::with_capacity(listings.len());
    for listing in listings {
        let employer = employer_of(snapshot, &listing).await?;
        groups.push(Group {
            parts: vec![Part { listing, employer }],
        });
    }
    let listed = Reason::new(ReasonCode::ExactRpps, "The RPPS number is listed.");
    Ok(choose(&groups, purpose, listed))
}

async fn by_finess(
    snapshot: &mut AnyConnection,
    finess: &Finess,
    purpose: Option<&Purpose>,
) -> Result<Answer, DirectoryError> {
    let organisations = store::by_finess(snapshot, finess, MAX_CANDIDATES).await?;
    let mut groups = Vec::with_capacity(organisations.len());
    for organisation in organisations {
        let services = store::services_of(snapshot, &organisation.id, MAX_CANDIDATES).await?;
        let mut parts = vec![Part {
            listing: organisation.clone(),
            employer: None,
        }];
        parts.extend(services.into_iter().map(|listing| Part {
            listing,
            employer: Some(organisation.clone()),
        }));
        groups.push(Group { parts });
    }
    let listed = Reason::new(ReasonCode::ExactFiness, "The FINESS number is listed.");
    Ok(choose(&groups, purpose, listed))
}

/// One recipient that the identifier may mean: a person in one role, or an organisation first and
/// then its services.
struct Group {
    parts: Vec<Part>,
}

struct Part {
    listing: Listing,
    employer: Option<Listing>,
}

impl Group {
    /// Every mailbox: those of the recipient itself first, then those of its services.
    fn candidates(&self) -> Vec<Candidate> {
        self.parts
            .iter()
            .enumerate()
            .flat_map(|(depth, part)| {
                (0..part.listing.mailboxes.len()).filter_map(move |index| {
                    let entry = part.listing.entry(index, part.employer.as_ref())?;
                    Some(Candidate {
                        entry,
                        own: depth == 0,
                    })
                })
            })
            .collect()
    }
}

#[derive(Clone)]
struct Candidate {
    entry: Entry,
    /// Whether it is a mailbox of the recipient itself rather than of one of its services.
    own: bool,
}

fn choose(groups: &[Group], purpose: Option<&Purpose>, listed: Reason) -> Answer {
    let Some(first) = groups.first().and_then(|group| group.parts.first()) else {
        return not_listed("Nobody is listed with this number.");
    };
    let with_mailboxes: Vec<Vec<Candidate>> = groups
        .iter()
        .map(Group::candidates)
        .filter(|candidates| !candidates.is_empty())
        .collect();
    match with_mailboxes.as_slice() {
        [] => {
            let text = format!("{} is listed without a mailbox.", first.listing.name);
            let finding = Finding::NoMailbox {
                kind: first.listing.kind,
                name: first.listing.name.clone(),
            };
            (
                finding,
                vec![listed, Reason::new(ReasonCode::NoMailbox, text)],
            )
        }
        [candidates] => choose_mailbox(candidates, purpose, listed),
        several => {
            let text = format!(
                "{} entries with a mailbox have this number; one of them must be chosen.",
                several.len()
            );
            let candidates = several.iter().flatten().map(|one| one.entry.clone());
            (
                Finding::Ambiguous(candidates.collect()),
                vec![listed, Reason::new(ReasonCode::SeveralEntries, text)],
            )
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
                return (Finding::Found(Box::new(only.entry.clone())), reasons);
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
                    return (Finding::Found(Box::new(only.entry.clone())), reasons);
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
        return (Finding::Found(Box::new(only.entry.clone())), reasons);
    }
    reasons.push(Reason::new(
        ReasonCode::SeveralMailboxes,
        format!(
            "The recipient has {} mailboxes; one of them must be chosen.",
            fitting.len()
        ),
    ));
    let candidates = fitting.into_iter().map(|one| one.entry).collect();
    (Finding::Ambiguous(candidates), reasons)
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
    (
        Finding::Unknown,
        vec![Reason::new(ReasonCode::NotListed, text)],
    )
}

async fn employer_of(
    snapshot: &mut AnyConnection,
    listing: &Listing,
) -> Result<Option<Listing>, DirectoryError> {
    match &listing.organisation {
        Some(id) => Ok(store::by_id(snapshot, id).await?),
        None => Ok(None),
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
