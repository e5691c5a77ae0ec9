//! S/MIME 4.0: sign, verify, seal, open, chains and header protection; bytes in, bytes out.
