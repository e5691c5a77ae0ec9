//! Where in the tree: distinguished names (RFC 4514) and what they name here.

use uuid::Uuid;

/// The longest name read, in octets.
const MAX_NAME: usize = 1024;
/// The most parts of a name.
const MAX_PARTS: usize = 16;

/// A branch below the suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Branch {
    /// People in their roles.
    People,
    /// Organisations.
    Organisations,
    /// Parts of organisations.
    Services,
}

impl Branch {
    pub(super) const ALL: [Self; 3] = [Self::People, Self::Organisations, Self::Services];

    /// The value of its `ou`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::People => "personnes",
            Self::Organisations => "structures",
            Self::Services => "services",
        }
    }
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    /// The empty name: the root DSE (RFC 4512 §5.1).
    Root,
    /// `cn=subschema` (RFC 4512 §4.2).
    Subschema,
    /// The suffix itself.
    Suffix,
    /// A branch.
    Branch(Branch),
    /// A person in a role, an organisation or a service.
    Entry(Branch, Uuid),
}

/// The suffix under which everything stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Suffix {
    written: String,
    parts: Vec<(String, String)>,
}

impl Suffix {
    /// Reads a suffix such as `dc=annuaire,dc=territoire`; `None` if it is no name, or empty.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let parts = parts(text)?;
        (!parts.is_empty()).then(|| Self {
            written: text.to_owned(),
            parts,
        })
    }

    /// As the settings write it.
    pub(super) fn written(&self) -> &str {
        &self.written
    }

    /// What its first part says: `dc` and `annuaire`.
    pub(super) fn first(&self) -> (&str, &str) {
        self.parts
            .first()
            .map_or(("", ""), |(kind, value)| (kind, value))
    }

    /// What `name` stands for; `None` when nothing does.
    pub(super) fn find(&self, name: &str) -> Option<Node> {
        let parts = parts(name)?;
        match parts.as_slice() {
            [] => return Some(Node::Root),
            [(kind, value)] if kind == "cn" && value == "subschema" => {
                return Some(Node::Subschema);
            }
            _ => {}
        }
        let own = parts.len().checked_sub(self.parts.len())?;
        if parts.get(own..) != Some(&self.parts[..]) {
            return None;
        }
        let branch = |(kind, value): &(String, String)| {
            Branch::ALL
                .into_iter()
                .find(|branch| kind == "ou" && value == branch.name())
        };
        match parts.get(..own)? {
            [] => Some(Node::Suffix),
            [one] => branch(one).map(Node::Branch),
            [(kind, value), two] if kind == "uid" => {
                Some(Node::Entry(branch(two)?, Uuid::try_parse(value).ok()?))
            }
            _ => None,
        }
    }

    /// The name of a node.
    pub(super) fn name(&self, node: Node) -> String {
        let suffix = &self.written;
        match node {
            Node::Root => String::new(),
            Node::Subschema => "cn=subschema".to_owned(),
            Node::Suffix => suffix.clone(),
            Node::Branch(branch) => format!("ou={},{suffix}", branch.name()),
            Node::Entry(branch, id) => format!("uid={id},ou={},{suffix}", branch.name()),
        }
    }
}

/// The account that a bind names: the first `uid` or `cn` of a name, or the text as it is, since
/// clients let people write `user` or `user@domain`. `None` for the empty name.
pub(super) fn account(name: &str) -> Option<String> {
    let name = name.trim();
    if name.is_empty() || name.len() > MAX_NAME {
        return None;
    }
    match parts(name) {
        Some(parts) => match parts.into_iter().next() {
            Some((kind, value)) if kind == "uid" || kind == "cn" => Some(value),
            _ => None,
        },
        None => Some(name.to_lowercase()),
    }
}

/// The parts of a name in lower case, without the spaces around them. Parts of several values are
/// not read: nothing here bears such a name.
fn parts(text: &str) -> Option<Vec<(String, String)>> {
    if text.len() > MAX_NAME {
        return None;
    }
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (kind, after) = rest.split_once('=')?;
        let kind = kind.trim().to_ascii_lowercase();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if kind.is_empty() || !kind.chars().all(plain) || parts.len() == MAX_PARTS {
            return None;
        }
        let (value, after) = value(after)?;
        parts.push((kind, value));
        rest = match after {
            Some("") => return None,
            Some(after) => after,
            None => "",
        };
    }
    Some(parts)
}

/// The value up to an unescaped comma, and what follows it (RFC 4514 §3).
fn value(text: &str) -> Option<(String, Option<&str>)> {
    let mut octets = Vec::new();
    let mut letters = text.char_indices();
    let mut rest = None;
    while let Some((at, letter)) = letters.next() {
        match letter {
            // LDAPv2 clients separate with semicolons (RFC 2253 §4).
            ',' | ';' => {
                rest = Some(text.get(at + 1..)?.trim_start());
                break;
            }
            '+' | '"' | '<' | '>' => return None,
            '\\' => {
                let (_, first) = letters.next()?;
                match first.to_digit(16) {
                    Some(high) => {
                        let (_, second) = letters.next()?;
                        let low = second.to_digit(16)?;
                        octets.push(u8::try_from(high * 16 + low).ok()?);
                    }
                    None => octets.extend_from_slice(first.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
            other => octets.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    let value = String::from_utf8(octets).ok()?;
    Some((value.trim().to_lowercase(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn suffix() -> Suffix {
        Suffix::parse("dc=annuaire,dc=test").unwrap()
    }

    #[test]
    fn a_name_is_found_however_it_is_written() {
        let suffix = suffix();
        let people = Some(Node::Branch(Branch::People));
        for name in [
            "ou=personnes,dc=annuaire,dc=test",
            "OU=Personnes, DC=annuaire , dc=TEST",
            "ou=personnes;dc=annuaire;dc=test",
            "ou=person\\6ees,dc=annuaire,dc=test",
            "ou=person\\nes,dc=annuaire,dc=test",
        ] {
            assert_eq!(suffix.find(name), people, "{name}");
        }
        assert_eq!(suffix.find(""), Some(Node::Root));
        assert_eq!(suffix.find("cn=Subschema"), Some(Node::Subschema));
        assert_eq!(suffix.find("dc=annuaire,dc=test"), Some(Node::Suffix));
    }

    #[test]
    fn what_stands_elsewhere_is_not_found() {
        let suffix = suffix();
        for name in [
            "dc=test",
            "dc=autre,dc=test",
            "ou=autre,dc=annuaire,dc=test",
            "uid=x,ou=personnes,dc=annuaire,dc=test",
            "cn=a,uid=x,ou=personnes,dc=annuaire,dc=test",
            "nothing",
            "=x",
            "dc=annuaire,dc=test,",
            "ou=a+cn=b,dc=annuaire,dc=test",
        ] {
            assert_eq!(suffix.find(name), None, "{name}");
        }
    }

    #[test]
    fn an_account_is_named_by_a_name_or_plainly() {
        let named = |name: &str| account(name);
        assert_eq!(named("uid=Lea,ou=comptes,dc=test").as_deref(), Some("lea"));
        assert_eq!(named("cn=lea").as_deref(), Some("lea"));
        assert_eq!(named(" Lea ").as_deref(), Some("lea"));
        assert_eq!(named("lea@cpts.test").as_deref(), Some("lea@cpts.test"));
        assert_eq!(named(""), None);
        assert_eq!(named("ou=comptes"), None);
    }

    proptest! {
        #[test]
        fn a_name_that_is_given_is_found(id in any::<u128>(), branch in 0_usize..3) {
            let suffix = suffix();
            let node = Node::Entry(Branch::ALL[branch], Uuid::from_u128(id));
            prop_assert_eq!(suffix.find(&suffix.name(node)), Some(node));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}|[a-z=,;\\\\+\" 0-9]{0,60}") {
            let _ = suffix().find(&text);
            let _ = account(&text);
        }
    }
}
