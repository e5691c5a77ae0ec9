//! Messages as hospitals send them, and as they should not: one rule a file.

mod adt_messages_are_understood;
mod hostile_bytes_do_no_harm;
