//! One TOML file a process, read strictly.

use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::BaseError;

/// Largest settings file read, in octets.
pub const MAX_CONFIG: u64 = 1024 * 1024;

/// Reads a settings file into `T`, whose structs should say `deny_unknown_fields`.
///
/// # Errors
/// [`BaseError::Read`] when the file cannot be read or is larger than [`MAX_CONFIG`];
/// [`BaseError::Config`] with line and column when it is not TOML or does not fit `T`; for an
/// unknown key the message ends with the nearest key that exists.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, BaseError> {
    let refused = |cause| BaseError::Read {
        path: path.to_owned(),
        cause,
    };
    let size = fs::metadata(path).map_err(refused)?.len();
    if size > MAX_CONFIG {
        return Err(refused(std::io::ErrorKind::FileTooLarge.into()));
    }
    let text = fs::read_to_string(path).map_err(refused)?;
    parse(&text).map_err(|detail| BaseError::Config {
        path: path.to_owned(),
        detail,
    })
}

/// Reads settings from text; the error is fit to follow a file name.
///
/// # Errors
/// As [`load`], as text.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| {
        let message = error.message().trim();
        let place = error.span().map(|span| line_and_column(text, span.start));
        let hint = nearest_key(message)
            .map(|key| format!("; did you mean `{key}`?"))
            .unwrap_or_default();
        match place {
            Some((line, column)) => format!("line {line}, column {column}: {message}{hint}"),
            None => format!("{message}{hint}"),
        }
    })
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(at)];
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    (line, column)
}

/// Out of serde's "unknown field `a`, expected one of `b`, `c`": the expected name nearest to the
/// wrong one, when at most a third of it differs.
fn nearest_key(message: &str) -> Option<&str> {
    let mut quoted = message
        .strip_prefix("unknown field ")?
        .split('`')
        .skip(1)
        .step_by(2);
    let wrong = quoted.next()?;
    quoted
        .map(|key| (distance(wrong, key), key))
        .filter(|(distance, key)| *distance * 3 <= key.len().max(3))
        .min()
        .map(|(_, key)| key)
}

/// Levenshtein's distance in octets; keys are short ASCII.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the parsing is tested")]
    struct Example {
        listen: String,
        database: String,
    }

    #[test]
    fn a_wrong_key_is_named_with_its_line_and_the_nearest_right_one() {
        let error = parse::<Example>("database = \"x\"\nlistn = \"y\"\n").unwrap_err();
        assert!(error.starts_with("line 2, column 1"), "{error}");
        assert!(error.ends_with("did you mean `listen`?"), "{error}");
    }

    #[test]
    fn a_key_that_resembles_nothing_gets_no_hint() {
        let error = parse::<Example>("zzzzzzzz = 1\n").unwrap_err();
        assert!(!error.contains("did you mean"), "{error}");
    }
}
