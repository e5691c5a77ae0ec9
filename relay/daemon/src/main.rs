//! The `liaison` executable.

fn main() {}
