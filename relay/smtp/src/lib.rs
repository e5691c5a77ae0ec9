//! SMTP as state machines, and the driver that runs them on tokio.
