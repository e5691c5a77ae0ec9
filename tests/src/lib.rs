//! The territory builder and scenarios across processes.
