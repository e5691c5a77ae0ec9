//! A value that a reload replaces while others use it: certificates, accounts, limits.

use std::sync::{Arc, PoisonError, RwLock};

/// The value in force. Copies share it; what was taken out stays as it was, so that work under way
/// ends by the rules under which it began.
#[derive(Debug)]
pub struct Current<T>(Arc<RwLock<Arc<T>>>);

impl<T> Current<T> {
    /// Begins with `value`.
    pub fn new(value: Arc<T>) -> Self {
        Self(Arc::new(RwLock::new(value)))
    }

    /// The value in force now.
    pub fn get(&self) -> Arc<T> {
        // A writer only moves a pointer: none can leave it half written.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts `value` in force for whoever asks from now on.
    pub fn set(&self, value: Arc<T>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = value;
    }
}

impl<T> Clone for Current<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_out_stays_and_the_next_is_new() {
        let current = Current::new(Arc::new(1));
        let (copy, taken) = (current.clone(), current.get());
        copy.set(Arc::new(2));
        assert_eq!((*taken, *current.get()), (1, 2));
    }
}
