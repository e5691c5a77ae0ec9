//! People, organisations, addresses, certificates and relays, and the faces that show them.
