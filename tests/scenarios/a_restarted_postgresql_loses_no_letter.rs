//! PostgreSQL is restarted under load, as by a crash. Every letter arrives once.

use liaison_store::testing::Server;

use crate::shared_site::{SharedSite, until};

/// Letters in each direction.
const LETTERS: usize = 40;

#[test]
fn a_restarted_postgresql_loses_no_letter() {
    let server = Server::start(&[]);
    let site = SharedSite::start(&server.named("site"));
    let taken = "SELECT COUNT(*) FROM relay_message";
    site.send_while(LETTERS, || {
        for _ in 0..3 {
            let so_far = site.ask(taken).unwrap_or(0);
            until("two more messages are taken", || {
                site.ask(taken) >= Some(so_far + 2)
            });
            server.crash();
            server.start_again();
        }
    });
    site.each_letter_arrived_once(LETTERS);
}
