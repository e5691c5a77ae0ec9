//! The primary PostgreSQL is lost for ever under load and its synchronous standby promoted: what
//! was acknowledged is on it. Every letter arrives once.

use liaison_store::testing::Server;

use crate::shared_site::{SharedSite, until};

/// Letters in each direction.
const LETTERS: usize = 40;

#[test]
fn a_promoted_standby_has_every_letter() {
    let primary = Server::start(&[]);
    primary.named("site");
    let standby = Server::standby_of(&primary);
    let site = SharedSite::start(&primary.with_standby(&standby, "site"));
    let taken = "SELECT COUNT(*) FROM relay_message";
    let synced = "SELECT COUNT(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
    until("commits wait for the standby", || {
        site.ask(synced) == Some(1)
    });
    site.send_while(LETTERS, || {
        until("some messages are taken", || site.ask(taken) >= Some(10));
        primary.crash();
        standby.promote();
    });
    site.each_letter_arrived_once(LETTERS);
}
