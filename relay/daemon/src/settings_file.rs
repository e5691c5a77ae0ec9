//! `liaison config`: an example of the settings file, out of the documents of its keys, and a check
//! of a file before it is put in force.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Subcommand;
use liaison_base::tls::Identity;
use liaison_base::{config, log};
use liaison_relay::Relay;
use toml::Value;

use crate::config::Config;
use crate::error::CommandError;

/// A struct of settings, as it is documented where it is declared.
struct Section {
    package: &'static str,
    name: &'static str,
    doc: &'static str,
    keys: &'static [Key],
}

/// One of its keys.
struct Key {
    name: &'static str,
    /// Its type, as the source writes it.
    kind: &'static str,
    doc: &'static str,
}

/// Every section of every crate, gathered when this program was built.
const SECTIONS: &[Section] = include!(concat!(env!("OUT_DIR"), "/sections.rs"));

/// What a site that runs all roles must say; the rest has defaults.
const SAMPLE: &str = include_str!("sample.toml");

/// What to do with a settings file.
#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print a settings file with every key, its document and its default.
    Example,
    /// Say whether a process could run by this file: keys, certificates, lists, log filter.
    Check {
        /// The settings file.
        file: PathBuf,
    },
}

/// Runs `liaison config`.
#[expect(clippy::print_stdout, reason = "the example is the command's output")]
pub(crate) fn run(command: ConfigCommand) -> Result<(), CommandError> {
    match command {
        ConfigCommand::Example => println!("{}", example()?.trim_end()),
        ConfigCommand::Check { file } => {
            check(&Config::load(&file)?)?;
            println!("{}: a process can run by it", file.display());
        }
    }
    Ok(())
}

fn check(config: &Config) -> Result<(), CommandError> {
    log::check(&config.log.filter)?;
    if let Some(relay) = &config.relay {
        Relay::check(relay)?;
    }
    if let Some(gateway) = &config.gateway {
        Identity::load(&gateway.certificate, &gateway.key)?.not_after()?;
        for one in &gateway.identities {
            Identity::load(&one.certificate, &one.key)?.not_after()?;
        }
    }
    if let Some(directory) = &config.directory {
        Identity::load(&directory.tls_certificate, &directory.tls_key)?.not_after()?;
    }
    if config.relay.is_none() && config.directory.is_none() {
        return Err(CommandError::Settings(
            "the settings have neither [relay] nor [directory]: nothing to run",
        ));
    }
    if config.relay.is_some() && config.lookup.is_none() && config.directory.is_none() {
        return Err(CommandError::Settings(
            "the relay needs a directory: give [lookup], or [directory] in this process",
        ));
    }
    Ok(())
}

/// The annotated file: what must be said stands there, what has a default is a comment.
fn example() -> Result<String, CommandError> {
    let wrong = |_| CommandError::Settings("the sample cannot be read: this release is broken");
    let said: Value = toml::from_str(SAMPLE).map_err(wrong)?;
    let whole: Config = config::parse(SAMPLE)
        .map_err(|detail| CommandError::Peer(format!("the sample cannot be read: {detail}")))?;
    let whole = Value::try_from(whole)
        .map_err(|_| CommandError::Settings("settings that TOML cannot hold"))?;
    let mut text = String::from(
        "# Settings of a Liaison process. A section is a role: give those that this process runs.\n\
         # A key behind `#` has the default shown. Relative paths are taken from the folder that\n\
         # the process runs in. Check a file with: liaison config check FILE\n",
    );
    if let Some(section) = find("liaison", "Config") {
        table(&mut text, section, "", (&whole, Some(&said)));
    }
    Ok(text)
}

/// Writes the keys of a table, then its tables.
fn table(
    text: &mut String,
    section: &Section,
    path: &str,
    (whole, said): (&Value, Option<&Value>),
) {
    let is_table = |value: &Value| match value {
        Value::Table(_) => true,
        Value::Array(all) => !all.is_empty() && all.iter().all(Value::is_table),
        _ => false,
    };
    for key in section.keys {
        let value = whole.get(key.name);
        if value.is_some_and(is_table) || (value.is_none() && of(section, key).is_some()) {
            continue;
        }
        comment(text, key.doc);
        let mark = match said.and_then(|said| said.get(key.name)) {
            Some(_) => "",
            None => "#",
        };
        let _ = match value {
            Some(value) => writeln!(text, "{mark}{} = {value}", key.name),
            None => writeln!(text, "#{} =", key.name),
        };
    }
    for key in section.keys {
        let inner = of(section, key);
        let name = match path {
            "" => key.name.to_owned(),
            path => format!("{path}.{}", key.name),
        };
        match (whole.get(key.name), inner) {
            (Some(Value::Array(all)), Some(inner)) if !all.is_empty() => {
                for (place, one) in all.iter().enumerate() {
                    heading(text, key, inner, &format!("[[{name}]]"));
                    let said = said.and_then(|said| said.get(key.name)?.get(place));
                    table(text, inner, &name, (one, said));
                }
            }
            (Some(value @ Value::Table(_)), Some(inner)) => {
                heading(text, key, inner, &format!("[{name}]"));
                let said = said.and_then(|said| said.get(key.name));
                table(text, inner, &name, (value, said));
            }
            _ => {}
        }
    }
}

fn heading(text: &mut String, key: &Key, inner: &Section, name: &str) {
    text.push('\n');
    comment(
        text,
        if key.doc.is_empty() {
            inner.doc
        } else {
            key.doc
        },
    );
    let _ = writeln!(text, "{name}");
}

fn comment(text: &mut String, doc: &str) {
    for line in doc.lines() {
        let _ = writeln!(text, "{}", format!("# {line}").trim_end());
    }
}

/// The section that a key's type names, if it is one.
fn of(section: &Section, key: &Key) -> Option<&'static Section> {
    let kind = key
        .kind
        .trim_start_matches("Option<")
        .trim_start_matches("Vec<")
        .trim_end_matches('>');
    let (path, name) = kind.rsplit_once("::").unwrap_or(("", kind));
    let package = match path.split("::").next().unwrap_or_default() {
        "" => section.package,
        "log" => "liaison_base",
        named if named.starts_with("liaison_") => named,
        _ => section.package,
    };
    find(package, name).or_else(|| {
        SECTIONS
            .iter()
            .find(|one| one.name == name && path.is_empty())
    })
}

fn find(package: &str, name: &str) -> Option<&'static Section> {
    SECTIONS
        .iter()
        .find(|one| one.package == package && one.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_loads_as_it_stands_and_means_the_sample() {
        let read = |text: &str| {
            let config: Config = config::parse(text).unwrap();
            Value::try_from(config).unwrap()
        };
        assert_eq!(read(&example().unwrap()), read(SAMPLE));
    }

    #[test]
    fn the_defaults_in_its_comments_are_the_defaults() {
        let open: String = example()
            .unwrap()
            .lines()
            .filter_map(|line| match line.strip_prefix('#') {
                Some(rest) if rest.starts_with(' ') || rest.is_empty() => None,
                Some(rest) if rest.ends_with('=') => None,
                Some(rest) => Some(format!("{rest}\n")),
                None => Some(format!("{line}\n")),
            })
            .collect();
        let config: Config = config::parse(&open).unwrap();
        let sample: Config = config::parse(SAMPLE).unwrap();
        assert_eq!(
            Value::try_from(config).unwrap(),
            Value::try_from(sample).unwrap()
        );
    }

    #[test]
    fn every_key_is_shown_and_documented() {
        let text = example().unwrap();
        for name in [
            "relay",
            "relay.bridge",
            "relay.rates",
            "relay.pressure",
            "gateway",
            "directory",
            "admin",
        ] {
            assert!(
                text.contains(&format!("\n[{name}]\n")),
                "{name} is missing:\n{text}"
            );
        }
        let mut before = "";
        for line in text.lines() {
            let is_key = line.contains(" =") && !line.starts_with("# ");
            assert!(
                !is_key || before.starts_with("# "),
                "not documented: {line}"
            );
            before = line;
        }
        for section in SECTIONS.iter().filter(|one| one.package == "liaison_relay") {
            for key in section.keys {
                assert!(text.contains(&format!("{} =", key.name)) || of(section, key).is_some());
            }
        }
    }
}
