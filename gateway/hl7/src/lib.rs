//! HL7 v2 frames, messages and acknowledgements; no I/O.
