//! One client's dialogue, without socket or clock: what each message asks, and what is answered
//! without looking anything up.

use ldap3_proto::control::{LdapControl, ServerSortRequet};
use ldap3_proto::proto::{
    LdapBindCred, LdapBindRequest, LdapBindResponse, LdapExtendedRequest, LdapExtendedResponse,
    LdapMsg, LdapOp, LdapResult, LdapResultCode, LdapSearchRequest, LdapSearchScope, OID_WHOAMI,
};
use zeroize::Zeroizing;

use super::dn::{self, Node, Suffix};
use super::filter::Filter;
use super::schema::Attribute;

/// The notice of disconnection (RFC 4511 §4.4.1).
const DISCONNECTION: &str = "1.3.6.1.4.1.1466.20036";
/// StartTLS (RFC 4511 §4.14).
pub(super) const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
/// The most pages' size that is looked at: beyond it all is one page.
const MAX_PAGE: i64 = 1_000;

/// What the connection does next.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing: an abandoned request has been answered before the next is read.
    Wait,
    /// Send this.
    Reply(LdapMsg),
    /// Check the password, then tell [`Session::bound`].
    Bind {
        id: i32,
        user: String,
        password: Zeroizing<String>,
    },
    /// Look this up.
    Search { id: i32, search: Box<Search> },
    /// Send this, then begin TLS.
    StartTls(LdapMsg),
    /// Close.
    Close,
}

/// A search that may be answered.
#[derive(Debug)]
pub(super) struct Search {
    /// Where it begins.
    pub(super) base: Node,
    /// How deep it goes.
    pub(super) scope: LdapSearchScope,
    /// What it finds.
    pub(super) filter: Filter,
    /// What it shows.
    pub(super) wanted: Wanted,
    /// Whether values are left out.
    pub(super) types_only: bool,
    /// The most entries, by the client's word.
    pub(super) size_limit: Option<usize>,
    /// The page that is asked for (RFC 2696).
    pub(super) page: Option<Page>,
    /// The order that is asked for (RFC 2891).
    pub(super) order: Vec<(Option<Attribute>, bool)>,
}

/// A page of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    /// The most entries on it.
    pub(super) size: usize,
    /// How many entries earlier pages showed.
    pub(super) after: usize,
}

/// Which attributes are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    every: bool,
    operational: bool,
    named: Vec<Attribute>,
}

impl Wanted {
    /// RFC 4511 §4.5.1.8, RFC 3673.
    fn read(names: &[String]) -> Self {
        let mut wanted = Self {
            every: names.is_empty(),
            ..Self::default()
        };
        for name in names {
            match name.as_str() {
                "*" => wanted.every = true,
                "+" => wanted.operational = true,
                // RFC 4511 §4.5.1.8: `1.1` is none; an attribute that nothing bears is left out.
                other => wanted.named.extend(Attribute::of(other)),
            }
        }
        wanted
    }

    /// Whether the attribute is shown.
    pub(super) fn shows(&self, attribute: Attribute) -> bool {
        let class = if attribute.is_operational() {
            self.operational
        } else {
            self.every
        };
        class || self.named.contains(&attribute)
    }
}

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Caller {
    /// Nobody in particular.
    Anonymous,
    /// An account of the settings.
    Account(String),
}

/// One client's dialogue.
#[derive(Debug)]
pub(super) struct Session {
    suffix: Suffix,
    /// Whether what passes can be read by others.
    private: bool,
    /// Whether TLS can still begin.
    can_start_tls: bool,
    /// Whether a caller without an account may search.
    open: bool,
    caller: Caller,
}

impl Session {
    /// A client that has just come. `private` says that its octets are encrypted or never leave
    /// the machine.
    pub(super) fn new(suffix: Suffix, private: bool, can_start_tls: bool, open: bool) -> Self {
        Self {
            suffix,
            private,
            can_start_tls,
            open,
            caller: Caller::Anonymous,
        }
    }

    /// Who speaks.
    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The suffix under which entries stand.
    pub(super) fn suffix(&self) -> &Suffix {
        &self.suffix
    }

    /// TLS has begun: whoever spoke before is unknown again (RFC 4511 §4.14.3).
    pub(super) fn secured(&mut self) {
        self.private = true;
        self.can_start_tls = false;
        self.caller = Caller::Anonymous;
    }

    /// What the check of a password gave.
    pub(super) fn bound(&mut self, id: i32, check: Checked) -> LdapMsg {
        let (code, text) = match check {
            Checked::Right { user } => {
                self.caller = Caller::Account(user);
                (LdapResultCode::Success, "")
            }
            Checked::Wrong => (
                LdapResultCode::InvalidCredentials,
                "the name or the password is wrong",
            ),
            Checked::Busy => (
                LdapResultCode::Busy,
                "too many logins at once; try again in a moment",
            ),
        };
        bind_response(id, code, text)
    }

    /// What a message asks.
    pub(super) fn take(&mut self, message: LdapMsg) -> Step {
        let id = message.msgid;
        if let Some(refusal) = unavailable(&message) {
            return refusal;
        }
        match message.op {
            LdapOp::BindRequest(request) => self.bind(id, request),
            LdapOp::UnbindRequest => Step::Close,
            // Requests are answered one after the other: what is abandoned has been answered.
            LdapOp::AbandonRequest(_) => Step::Wait,
            LdapOp::SearchRequest(request) => self.search(id, &request, &message.ctrl),
            LdapOp::ExtendedRequest(request) => self.extended(id, &request),
            LdapOp::CompareRequest(_) => Step::Reply(refused(
                id,
                LdapOp::CompareResult,
                "compare is not served; search with the assertion as filter",
            )),
            LdapOp::ModifyRequest(_) => Step::Reply(read_only(id, LdapOp::ModifyResponse)),
            LdapOp::AddRequest(_) => Step::Reply(read_only(id, LdapOp::AddResponse)),
            LdapOp::DelRequest(_) => Step::Reply(read_only(id, LdapOp::DelResponse)),
            LdapOp::ModifyDNRequest(_) => Step::Reply(read_only(id, LdapOp::ModifyDNResponse)),
            // What only servers send.
            _ => Step::Close,
        }
    }

    fn bind(&mut self, id: i32, request: LdapBindRequest) -> Step {
        // RFC 4511 §4.2.1: whoever binds is anonymous until it has succeeded.
        self.caller = Caller::Anonymous;
        let reply = |code, text| Step::Reply(bind_response(id, code, text));
        if request.version != 3 {
            return reply(
                LdapResultCode::ProtocolError,
                "only LDAP version 3 is spoken",
            );
        }
        let LdapBindCred::Simple(password) = request.cred else {
            return reply(
                LdapResultCode::AuthMethodNotSupported,
                "only simple authentication is served",
            );
        };
        let password = Zeroizing::new(password);
        match (dn::account(&request.dn), password.is_empty()) {
            (None, true) if request.dn.trim().is_empty() => reply(LdapResultCode::Success, ""),
            // RFC 4513 §5.1.2: a name without a password proves nothing.
            (_, true) => reply(
                LdapResultCode::UnwillingToPerform,
                "the password is missing",
            ),
            // RFC 4513 §6.3.2: the password has been shown to the network already; say so.
            _ if !self.private => reply(
                LdapResultCode::ConfidentialityRequired,
                "begin TLS before you send a password, and change this one",
            ),
            (Some(user), false) => Step::Bind { id, user, password },
            (None, false) => reply(
                LdapResultCode::InvalidCredentials,
                "the name or the password is wrong",
            ),
        }
    }

    fn search(&self, id: i32, request: &LdapSearchRequest, controls: &[LdapControl]) -> Step {
        let done = |code, text: &str| Step::Reply(search_done(id, code, text, Vec::new()));
        // Outlook and Apple Mail may leave the base empty: then it is the suffix, except for the
        // root DSE itself.
        let base = match self.suffix.find(&request.base) {
            Some(Node::Root) if request.scope != LdapSearchScope::Base => Node::Suffix,
            Some(node) => node,
            None => return done(LdapResultCode::NoSuchObject, "nothing bears this name"),
        };
        let about_us = matches!(base, Node::Root | Node::Subschema);
        if !about_us && !self.open && self.caller == Caller::Anonymous {
            return done(
                LdapResultCode::InsufficentAccessRights,
                "log in with the name and password of your account",
            );
        }
        let Ok(filter) = Filter::read(&request.filter) else {
            return done(
                LdapResultCode::AdminLimitExceeded,
                "the filter has too many parts",
            );
        };
        let page = match page(controls) {
            Ok(page) => page,
            Err(text) => return done(LdapResultCode::UnwillingToPerform, text),
        };
        Step::Search {
            id,
            search: Box::new(Search {
                base,
                scope: request.scope.clone(),
                filter,
                wanted: Wanted::read(&request.attrs),
                types_only: request.typesonly,
                size_limit: usize::try_from(request.sizelimit)
                    .ok()
                    .filter(|limit| *limit > 0),
                page,
                order: controls.iter().find_map(order).unwrap_or_default(),
            }),
        }
    }

    fn extended(&self, id: i32, request: &LdapExtendedRequest) -> Step {
        let reply = |code, text: &str, name: Option<&str>, value| {
            LdapMsg::new(
                id,
                LdapOp::ExtendedResponse(LdapExtendedResponse {
                    res: result(code, text),
                    name: name.map(str::to_owned),
                    value,
                }),
            )
        };
        match request.name.as_str() {
            // RFC 4532.
            OID_WHOAMI => {
                let who = match &self.caller {
                    Caller::Anonymous => String::new(),
                    Caller::Account(user) => format!("u:{user}"),
                };
                Step::Reply(reply(
                    LdapResultCode::Success,
                    "",
                    None,
                    Some(who.into_bytes()),
                ))
            }
            START_TLS if self.can_start_tls => {
                Step::StartTls(reply(LdapResultCode::Success, "", Some(START_TLS), None))
            }
            START_TLS => Step::Reply(reply(
                LdapResultCode::OperationsError,
                "TLS has begun already",
                Some(START_TLS),
                None,
            )),
            _ => Step::Reply(reply(
                LdapResultCode::ProtocolError,
                "this extended operation is not served",
                None,
                None,
            )),
        }
    }
}

/// What a check of a password gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Checked {
    /// It is the account's, by the name that the settings give it.
    Right { user: String },
    /// It is not, or there is no such account.
    Wrong,
    /// It was not looked at: too many wrong ones came, or too many at once.
    Busy,
}

/// The end of a search.
pub(super) fn search_done(
    id: i32,
    code: LdapResultCode,
    text: &str,
    controls: Vec<LdapControl>,
) -> LdapMsg {
    LdapMsg::new_with_ctrls(id, LdapOp::SearchResultDone(result(code, text)), controls)
}

/// What is sent before a connection is closed for what it sent (RFC 4511 §4.4.1).
pub(super) fn disconnection(code: LdapResultCode, text: &str) -> LdapMsg {
    LdapMsg::new(
        0,
        LdapOp::ExtendedResponse(LdapExtendedResponse {
            res: result(code, text),
            name: Some(DISCONNECTION.to_owned()),
            value: None,
        }),
    )
}

/// A message with a critical control that is not served is not performed (RFC 4511 §4.1.11).
fn unavailable(message: &LdapMsg) -> Option<Step> {
    let critical = message.ctrl.iter().any(|control| {
        matches!(
            control,
            LdapControl::Unknown {
                criticality: true,
                ..
            } | LdapControl::SyncRequest {
                criticality: true,
                ..
            } | LdapControl::ShowDeleted { criticality: true }
                | LdapControl::SdFlags {
                    criticality: true,
                    ..
                }
                | LdapControl::ExtendedDn {
                    criticality: true,
                    ..
                }
                | LdapControl::SearchOptions {
                    criticality: true,
                    ..
                }
                | LdapControl::PasswordPolicyRequest { criticality: true }
        )
    });
    if !critical {
        return None;
    }
    let id = message.msgid;
    let refusal = result(
        LdapResultCode::UnavailableCriticalExtension,
        "a critical control is not served",
    );
    let op = match &message.op {
        LdapOp::BindRequest(_) => LdapOp::BindResponse(LdapBindResponse {
            res: refusal,
            saslcreds: None,
        }),
        LdapOp::SearchRequest(_) => LdapOp::SearchResultDone(refusal),
        LdapOp::CompareRequest(_) => LdapOp::CompareResult(refusal),
        LdapOp::ModifyRequest(_) => LdapOp::ModifyResponse(refusal),
        LdapOp::AddRequest(_) => LdapOp::AddResponse(refusal),
        LdapOp::DelRequest(_) => LdapOp::DelResponse(refusal),
        LdapOp::ModifyDNRequest(_) => LdapOp::ModifyDNResponse(refusal),
        LdapOp::ExtendedRequest(_) => LdapOp::ExtendedResponse(LdapExtendedResponse {
            res: refusal,
            name: None,
            value: None,
        }),
        _ => return None,
    };
    Some(Step::Reply(LdapMsg::new(id, op)))
}

/// The page that RFC 2696's control asks for.
fn page(controls: &[LdapControl]) -> Result<Option<Page>, &'static str> {
    let Some((size, cookie)) = controls.iter().find_map(|control| match control {
        LdapControl::SimplePagedResults { size, cookie } => Some((*size, cookie)),
        _ => None,
    }) else {
        return Ok(None);
    };
    let after = match cookie.as_slice() {
        [] => 0,
        octets => <[u8; 4]>::try_from(octets)
            .ok()
            .and_then(|octets| usize::try_from(u32::from_be_bytes(octets)).ok())
            .ok_or("the cookie is not one of ours; begin the search again")?,
    };
    Ok(Some(Page {
        size: usize::try_from(size.clamp(0, MAX_PAGE)).unwrap_or(0),
        after,
    }))
}

/// The cookie after so many entries: nothing is kept for it, so that it cannot grow old.
pub(super) fn cookie(shown: usize) -> Vec<u8> {
    u32::try_from(shown)
        .unwrap_or(u32::MAX)
        .to_be_bytes()
        .to_vec()
}

fn order(control: &LdapControl) -> Option<Vec<(Option<Attribute>, bool)>> {
    let LdapControl::ServerSort { sort_requests } = control else {
        return None;
    };
    let one = |request: &ServerSortRequet| {
        (
            Attribute::of(&request.attribute_name),
            request.reverse_order,
        )
    };
    Some(sort_requests.iter().map(one).collect())
}

fn bind_response(id: i32, code: LdapResultCode, text: &str) -> LdapMsg {
    LdapMsg::new(
        id,
        LdapOp::BindResponse(LdapBindResponse {
            res: result(code, text),
            saslcreds: None,
        }),
    )
}

fn read_only(id: i32, op: fn(LdapResult) -> LdapOp) -> LdapMsg {
    refused(
        id,
        op,
        "the directory is read-only here; change entries on its pages",
    )
}

fn refused(id: i32, op: fn(LdapResult) -> LdapOp, text: &str) -> LdapMsg {
    LdapMsg::new(id, op(result(LdapResultCode::UnwillingToPerform, text)))
}

pub(super) fn result(code: LdapResultCode, text: &str) -> LdapResult {
    LdapResult {
        code,
        matcheddn: String::new(),
        message: text.to_owned(),
        referral: Vec::new(),
    }
}
