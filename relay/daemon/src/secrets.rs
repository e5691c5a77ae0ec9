//! What a site's administrator makes once: the site key and password hashes.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use liaison_base::login::{MAX_PASSWORD, hash_password};
use liaison_gateway::keys::SiteKey;
use zeroize::Zeroizing;

use crate::error::CommandError;

#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a site key: 32 random octets, readable by this user alone. Keep a copy elsewhere:
    /// without it, the content of the gateway's stores is lost.
    Create {
        /// The file to make; an existing one is never replaced.
        file: PathBuf,
    },
}

#[derive(Subcommand)]
pub(crate) enum PasswordCommand {
    /// Read a password from standard input and print the line that the settings file wants.
    Hash,
}

#[expect(clippy::print_stdout, reason = "the command line speaks to its user")]
pub(crate) fn key(command: KeyCommand) -> Result<(), CommandError> {
    let KeyCommand::Create { file } = command;
    SiteKey::create(&file).map_err(|error| CommandError::Gateway(error.into()))?;
    println!(
        "{}: keep a copy where the backups of the stores are not",
        file.display()
    );
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the hash is the command's output")]
pub(crate) fn password(command: PasswordCommand) -> Result<(), CommandError> {
    let PasswordCommand::Hash = command;
    let failed = |cause| CommandError::File {
        path: Path::new("standard input").to_owned(),
        cause,
    };
    let mut typed = Zeroizing::new(Vec::new());
    // Two octets more than the longest password: its line end, and one that shows it too long.
    let limit = u64::try_from(MAX_PASSWORD + 2).unwrap_or(u64::MAX);
    std::io::stdin()
        .take(limit)
        .read_to_end(&mut typed)
        .map_err(failed)?;
    let password = typed.strip_suffix(b"\n").unwrap_or(&typed);
    let hash = hash_password(password).map_err(|error| CommandError::Gateway(error.into()))?;
    println!("{hash}");
    Ok(())
}
