//! Values that logs, errors and panics cannot show.

use std::fmt;

/// Wraps a value that must not be printed: its `Debug` and `Display` say only that it is private.
/// In release and debug builds alike.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Private<T>(pub T);

impl<T> fmt::Debug for Private<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[private]")
    }
}

impl<T> fmt::Display for Private<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[private]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_value_is_printed() {
        let name = Private("LEFEBVRE");
        assert_eq!(
            format!("{name} {name:?} {name:#?}"),
            "[private] [private] [private]"
        );
    }
}
