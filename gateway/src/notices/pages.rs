//! The texts, as templates that a site can override (N20): those of `gateway/templates` are built
//! in, and a file of the same name in the site's folder takes the place of one. A kind of message that
//! the site added has its text in `messages`, under the kind's name.
//!
//! Templates are Jinja's. Each sees the same values:
//!
//! | value | what |
//! |---|---|
//! | `title` | the kind in capitals |
//! | `urgent`, `info`, `regularisation`, `risky`, `through_emergency`, `wrong_patient`, `still_in_hospital`, `no_family_doctor`, `unscheduled`, `contact_first` | yes or no |
//! | `number`, `version` | `2026-11-21-0045`, « 1re version » |
//! | `correction`, `cancelled` | the first line of a new version; what is cancelled |
//! | `reminder` | for a planned discharge said again: in how many days |
//! | `person`, `at`, `recorded`, `unit`, `hospital`, `phone`, `destination`, `planning`, `expected_return` | texts; empty where nothing is known |
//! | `letter`, `changes` | how the discharge letter is enclosed, empty where it is not; what it changes in the treatment, a line each |
//! | `role`, `at_home` | `family_doctor`, `nursing_home`, `home_nurse`, `home_care_service`, `home_hospitalisation`, `pharmacy`, `coordination`; whether they care for people at home |
//! | `asks` | what the recipient is asked to attach to a reply; empty where that is nothing |
//! | `fields` | for a message: its fields by name, `fields.note`; empty where one was not given |
//! | `reply` | `taken_charge`, `arrival` or `nothing` |
//!
//! All are tried on made-up notices of every kind and role when the gateway starts: a name that
//! does not exist is found then, and not on a Saturday evening.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use super::message::{MessageName, MessageRule};
use super::text;

/// Largest template of a site, in octets.
const MAX_TEMPLATE: u64 = 64 * 1024;

/// A text that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// A template of the site cannot be read.
    #[error("template {path}: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A file of the site's folder overrides nothing.
    #[error("template {path}: no text has that name; the names are {names}")]
    Unknown {
        /// The file.
        path: PathBuf,
        /// Those that exist.
        names: String,
    },
    /// A kind of message has no text.
    #[error("message.{0}: it has no text: write messages/{0}.txt in the folder of templates")]
    Missing(MessageName),
    /// A template is wrong, or names a value that does not exist. The cause names the line; it
    /// holds no value of a notice.
    #[error("template {name}, line {line}: {cause}")]
    Template {
        /// Its name.
        name: String,
        /// The line, from 1; 0 where it is not known.
        line: usize,
        /// What is wrong.
        cause: String,
    },
}

/// Every text. Copies share them.
#[derive(Clone, Debug)]
pub struct Pages(Arc<Environment<'static>>);

macro_rules! built_in {
    ($($name:literal)*) => {
        /// The texts of the project, by name.
        const BUILT_IN: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../templates/", $name)))),*
        ];
    };
}

built_in! {
    "answers/incoming.txt"
    "answers/unmatched.txt"
    "messages/renewal_answer.txt"
    "messages/renewal_request.txt"
    "messages/social_note.txt"
    "notices/_changes.txt"
    "notices/_contact.txt"
    "notices/_documents.txt"
    "notices/_from.txt"
    "notices/_head.txt"
    "notices/_reply.txt"
    "notices/admission.txt"
    "notices/cancellation.txt"
    "notices/death.txt"
    "notices/discharge_home.txt"
    "notices/discharge_with_care.txt"
    "notices/emergency_end.txt"
    "notices/emergency_visit.txt"
    "notices/leave_end.txt"
    "notices/leave_start.txt"
    "notices/letter.txt"
    "notices/outpatient_follow_up.txt"
    "notices/pending_result.txt"
    "notices/planned_admission.txt"
    "notices/planned_discharge.txt"
    "notices/return_to_nursing_home.txt"
    "notices/transfer.txt"
    "notices/unauthorised_exit.txt"
    "tasks/mail.txt"
    "tasks/missing.txt"
    "tasks/ward_task.txt"
}

impl Default for Pages {
    fn default() -> Pages {
        #[expect(
            clippy::expect_used,
            reason = "the built-in texts parse; a test renders each"
        )]
        let environment = environment(&[]).expect("built-in texts");
        Pages(Arc::new(environment))
    }
}

impl Pages {
    /// The built-in texts, with those of `folder` in place of the ones whose name they have
    /// (`notices/admission.txt`), and those of the site's own kinds of message; tried on made-up
    /// notices.
    ///
    /// # Errors
    /// [`PageError`] naming the file, and the line where it is wrong.
    pub fn with(
        folder: Option<&Path>,
        messages: &BTreeMap<MessageName, MessageRule>,
    ) -> Result<Pages, PageError> {
        let overrides = match folder {
            Some(folder) => overrides(folder, messages)?,
            None => Vec::new(),
        };
        let pages = Pages(Arc::new(environment(&overrides)?));
        let has_text = |name: &&MessageName| pages.0.get_template(&format!("messages/{name}.txt"));
        if let Some(name) = messages.keys().find(|name| has_text(name).is_err()) {
            return Err(PageError::Missing(*name));
        }
        text::try_all(&pages, messages)?;
        Ok(pages)
    }

    /// Renders one text.
    ///
    /// # Errors
    /// [`PageError::Template`].
    pub(crate) fn render(&self, name: &str, values: impl Serialize) -> Result<String, PageError> {
        self.0
            .get_template(name)
            .and_then(|template| template.render(minijinja::value::Serde(&values)))
            .map_err(|error| failed(name, &error))
    }
}

fn environment(overrides: &[(String, String)]) -> Result<Environment<'static>, PageError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    for (name, source) in BUILT_IN {
        environment
            .add_template(name, source)
            .map_err(|error| failed(name, &error))?;
    }
    for (name, source) in overrides {
        environment
            .add_template_owned(name.clone(), source.clone())
            .map_err(|error| failed(name, &error))?;
    }
    Ok(environment)
}

/// The site's files: those of its folder and of the folders in it that hold texts.
fn overrides(
    folder: &Path,
    messages: &BTreeMap<MessageName, MessageRule>,
) -> Result<Vec<(String, String)>, PageError> {
    let own: Vec<String> = messages
        .keys()
        .map(|name| format!("messages/{name}.txt"))
        .collect();
    let mut found = Vec::new();
    for part in ["answers", "messages", "notices", "tasks"] {
        let within = folder.join(part);
        if !within.is_dir() {
            continue;
        }
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |cause| PageError::File { path, cause }
        };
        for entry in fs::read_dir(&within).map_err(failed(&within))? {
            let path = entry.map_err(failed(&within))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let name = format!("{part}/{name}");
            let mut names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
            names.extend(own.iter().map(String::as_str));
            if !names.contains(&name.as_str()) {
                names.sort_unstable();
                names.dedup();
                return Err(PageError::Unknown {
                    path,
                    names: names.join(", "),
                });
            }
            let size = fs::metadata(&path).map_err(failed(&path))?.len();
            if size > MAX_TEMPLATE {
                let cause = std::io::ErrorKind::FileTooLarge.into();
                return Err(PageError::File { path, cause });
            }
            let source = fs::read_to_string(&path).map_err(failed(&path))?;
            found.push((name, source));
        }
    }
    Ok(found)
}

/// The error without the source lines that the engine would add: they may show values.
fn failed(name: &str, error: &minijinja::Error) -> PageError {
    PageError::Template {
        name: error.name().unwrap_or(name).to_owned(),
        line: error.line().unwrap_or(0),
        cause: error
            .detail()
            .map_or_else(|| error.kind().to_string(), str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, source: &str) -> Result<Pages, PageError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, source).unwrap();
        Pages::with(Some(folder.path()), &super::super::message::built_in())
    }

    #[test]
    fn every_text_of_the_project_renders() {
        text::try_all(&Pages::default(), &super::super::message::built_in()).unwrap();
    }

    #[test]
    fn a_site_replaces_one_text() {
        let pages = with("notices/_from.txt", " - {{ unit }} au CHU").unwrap();
        assert!(pages.0.get_template("notices/death.txt").is_ok());
    }

    #[test]
    fn a_wrong_text_is_found_at_the_start_with_its_line() {
        let error = with("notices/death.txt", "DÉCÈS\n{{ nmber }}").unwrap_err();
        let said = error.to_string();
        assert!(
            said.starts_with("template notices/death.txt, line 2"),
            "{said}"
        );
        let error = with("notices/death.txt", "{% if %}").unwrap_err();
        assert!(matches!(error, PageError::Template { .. }), "{error}");
        let error = with("messages/transport.txt", "x").unwrap_err();
        assert!(matches!(error, PageError::Unknown { .. }), "{error}");
        let error = with("notices/deces.txt", "x").unwrap_err();
        assert!(error.to_string().contains("notices/death.txt"), "{error}");
    }
}
