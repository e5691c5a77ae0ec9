//! Store and forward between organisations; never holds a decryption key.
