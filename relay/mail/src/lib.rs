//! Addresses, envelopes, identifiers, headers, DSN, MDN and the ports between roles; no I/O.
