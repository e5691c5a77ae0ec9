//! Ask the directory: resolve with reasons, cache and staleness rules; shared wire types.
