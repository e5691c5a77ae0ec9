//! A throw-away PKI for the demo and the tests; never trusted anywhere else.
