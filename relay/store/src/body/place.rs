//! Which object store, as settings name it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::StoreError;

/// Where large bodies are. In settings, one of:
///
/// - `"bodies"`: a local folder, made if absent; each file and the folder are synced.
/// - `"s3://bucket/prefix?endpoint=https://s3.example&region=fr-par"`: a bucket of an S3-compatible
///   server that acknowledges what is durable. The key's name and secret come from the environment
///   (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`). `endpoint` and `region` may be left out where
///   the environment gives them (`AWS_ENDPOINT_URL`, `AWS_REGION`). An `http:` endpoint is for a
///   server on the same machine.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Place {
    /// A local folder.
    Folder(PathBuf),
    /// A bucket.
    Bucket(Address),
}

/// A bucket of an S3-compatible server.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    text: String,
    pub(super) bucket: String,
    /// Begins the name of each object; empty, or ends in a slash.
    pub(super) prefix: String,
    pub(super) endpoint: Option<String>,
    pub(super) region: Option<String>,
}

impl Place {
    /// The folder, if it is one.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(path) => Some(path),
            Self::Bucket(_) => None,
        }
    }
}

impl FromStr for Place {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let Some(rest) = text.strip_prefix("s3://") else {
            return match text {
                "" => Err(StoreError::Place("the folder's path is empty")),
                path => Ok(Self::Folder(PathBuf::from(path))),
            };
        };
        let (name, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (bucket, prefix) = name.split_once('/').unwrap_or((name, ""));
        if bucket.is_empty() {
            return Err(StoreError::Place("s3:// is followed by a bucket's name"));
        }
        let prefix = match prefix.trim_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let mut address = Address {
            text: text.to_owned(),
            bucket: bucket.to_owned(),
            prefix,
            endpoint: None,
            region: None,
        };
        for parameter in parameters.split('&').filter(|one| !one.is_empty()) {
            match parameter.split_once('=') {
                Some(("endpoint", value)) => address.endpoint = Some(value.to_owned()),
                Some(("region", value)) => address.region = Some(value.to_owned()),
                _ => {
                    return Err(StoreError::Place(
                        "a bucket has the parameters endpoint and region, and no others",
                    ));
                }
            }
        }
        Ok(Self::Bucket(address))
    }
}

impl TryFrom<String> for Place {
    type Error = StoreError;

    fn try_from(text: String) -> Result<Self, StoreError> {
        text.parse()
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.to_string()
    }
}

impl From<&Place> for Place {
    fn from(place: &Place) -> Self {
        place.clone()
    }
}

impl From<PathBuf> for Place {
    fn from(path: PathBuf) -> Self {
        Self::Folder(path)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Bucket(address) => f.write_str(&address.text),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_and_a_bucket_read_back_as_written() {
        let text = "s3://corps/relais?endpoint=http://127.0.0.1:9000&region=fr-par";
        let place: Place = text.parse().unwrap();
        let Place::Bucket(address) = &place else {
            panic!("not a bucket");
        };
        assert_eq!(
            (address.bucket.as_str(), address.prefix.as_str()),
            ("corps", "relais/")
        );
        assert_eq!(address.endpoint.as_deref(), Some("http://127.0.0.1:9000"));
        assert_eq!(address.region.as_deref(), Some("fr-par"));
        assert_eq!(String::from(place), text);
        assert_eq!(
            "/var/lib/liaison/bodies".parse::<Place>().unwrap().folder(),
            Some(Path::new("/var/lib/liaison/bodies"))
        );
        for wrong in ["", "s3://", "s3:///x", "s3://b?secret=x"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}
