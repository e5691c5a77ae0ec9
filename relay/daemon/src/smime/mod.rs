//! `liaison smime`: seal, open, verify and inspect messages by hand, as `openssl cms` is used:
//! for an auditor, or an engineer of a peer.
//!
//! What was found goes to standard output, unless the message itself goes there: then to standard
//! error. Exit: 0 sealed, opened or valid; 1 refused or not valid; 2 the command or a file given
//! with it is wrong.

mod input;
mod inspect;
mod material;
mod open;
mod report;
mod seal;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use liaison_base::clock::{Clock as _, SystemClock};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What to do with a message.
#[derive(Subcommand)]
pub(crate) enum SmimeCommand {
    /// Sign a message and encrypt it to certificates.
    Seal(Seal),
    /// Decrypt a message and write what was inside; say who signed it.
    Open(Open),
    /// Say whether a message is validly signed, and by whom. Encrypted ones need a key too.
    Verify(Verify),
    /// Say what a message is made of, layer by layer, without any key.
    Inspect(Inspect),
}

#[derive(Args)]
pub(crate) struct Seal {
    /// The message (RFC 5322), or `-` for standard input.
    file: PathBuf,
    /// Certificates of the recipients, who see one another: PEM or DER, one or more a file.
    #[arg(long, required = true, value_name = "CERT", num_args = 1..)]
    to: Vec<PathBuf>,
    #[command(flatten)]
    identity: Identity,
    #[command(flatten)]
    trust: Trust,
    /// Where to write the sealed message; standard output by default.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Encrypt without signing: for a message that its author's own client has signed.
    #[arg(long)]
    unsigned: bool,
    /// Put the content inside the signature, instead of beside it.
    #[arg(long)]
    opaque: bool,
    /// Sign with RSASSA-PSS, if the key is RSA.
    #[arg(long)]
    pss: bool,
    /// What the recipients' software wants.
    #[arg(long, value_enum, default_value_t = Profile::Rfc9788)]
    profile: Profile,
    /// Encrypt with AES-256-CBC: only for a client that is known to read nothing better.
    #[arg(long)]
    cbc: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// What a partner wants a message to look like.
#[derive(Clone, Copy, ValueEnum)]
enum Profile {
    /// S/MIME 4.0 with header protection.
    Rfc9788,
    /// The whole message inside (Direct).
    Direct,
    /// The German KIM.
    Kim,
}

#[derive(Args)]
pub(crate) struct Open {
    /// The message: .eml, or a bare CMS object in PEM, DER or BER; `-` for standard input.
    file: PathBuf,
    #[command(flatten)]
    identity: Identity,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    signer: Signer,
    /// Where to write the opened message; standard output by default.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write the innermost MIME entity, octet for octet, instead of a message to read.
    #[arg(long)]
    entity: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Verify {
    /// The message: .eml, or a bare CMS object in PEM, DER or BER; `-` for standard input.
    file: PathBuf,
    #[command(flatten)]
    identity: Identity,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    signer: Signer,
    /// The content, if FILE is a bare signature apart from it (.p7s).
    #[arg(long, value_name = "FILE")]
    content: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Inspect {
    /// The message: .eml, or a bare CMS object in PEM, DER or BER; `-` for standard input.
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The keys that the command may use.
#[derive(Args)]
struct Identity {
    /// A private key (PEM or DER: PKCS#8, plain or encrypted); its certificate is given by
    /// --cert. Both may be given several times, in the same order.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Vec<PathBuf>,
    /// The certificate of --key, and its chain after it.
    #[arg(long, value_name = "FILE")]
    cert: Vec<PathBuf>,
    /// A PKCS #12 file (.p12, .pfx) with key, certificate and chain.
    #[arg(long, value_name = "FILE")]
    p12: Vec<PathBuf>,
    /// The environment variable that holds the passphrase.
    #[arg(long, value_name = "VARIABLE", conflicts_with = "passphrase_file")]
    passphrase_env: Option<String>,
    /// The file whose first line is the passphrase. Without either, it is asked for.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Whom the command believes.
#[derive(Args)]
struct Trust {
    /// Certificates of trusted authorities (PEM or DER).
    #[arg(long, value_name = "FILE")]
    trust: Vec<PathBuf>,
    /// Other certificates that may help to find a path; not trusted by themselves.
    #[arg(long, value_name = "FILE")]
    chain: Vec<PathBuf>,
    /// Revocation lists (PEM or DER).
    #[arg(long, value_name = "FILE")]
    crl: Vec<PathBuf>,
    /// OCSP responses (DER).
    #[arg(long, value_name = "FILE")]
    ocsp: Vec<PathBuf>,
    /// The moment to judge at: `2026-11-22` or `2026-11-22T08:00:00Z`; now by default.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<OffsetDateTime>,
}

/// What a signature must be to count.
#[derive(Args)]
struct Signer {
    /// The address that the signer must have; that of From by default.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// Take a signature for invalid unless its whole path is known not to be revoked.
    #[arg(long)]
    require_revocation: bool,
}

impl Trust {
    /// The moment to judge at.
    fn moment(&self) -> OffsetDateTime {
        self.at.unwrap_or_else(|| SystemClock.now())
    }
}

/// Why a command was not carried out, beyond what it was asked about.
#[derive(Debug, thiserror::Error)]
enum Fault {
    /// A file given with the command cannot be used.
    #[error("{path}: {cause}")]
    File {
        /// The file, `-` for standard input.
        path: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The arguments do not go together.
    #[error("{0}")]
    Usage(&'static str),
}

impl Fault {
    fn file(path: &std::path::Path, cause: impl ToString) -> Self {
        Self::File {
            path: path.display().to_string(),
            cause: cause.to_string(),
        }
    }
}

/// Runs one command and gives its exit status.
#[expect(clippy::print_stderr, reason = "the command line speaks to its user")]
pub(crate) fn run(command: &SmimeCommand) -> ExitCode {
    let done = match command {
        SmimeCommand::Seal(arguments) => seal::run(arguments),
        SmimeCommand::Open(arguments) => open::open(arguments),
        SmimeCommand::Verify(arguments) => open::verify(arguments),
        SmimeCommand::Inspect(arguments) => inspect::run(arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(fault) => {
            eprintln!("liaison smime: {fault}");
            ExitCode::from(2)
        }
    }
}

/// A date, or a date and a time with its zone.
fn moment(text: &str) -> Result<OffsetDateTime, String> {
    let whole = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        _ => text.to_owned(),
    };
    OffsetDateTime::parse(&whole, &Rfc3339).map_err(|_| {
        "give a date (2026-11-22), or a time with its zone (2026-11-22T08:00:00Z)".to_owned()
    })
}
