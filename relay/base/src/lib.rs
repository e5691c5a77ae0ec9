//! Configuration, TLS identity, redacting logs, clock and orderly shutdown.
