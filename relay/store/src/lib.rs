//! Pools, group commit, leases, message bodies and the migrations runner.
