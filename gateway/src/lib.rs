//! Where clinicians' mail clients and hospital systems plug in, and where the keys live.
