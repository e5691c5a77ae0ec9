//! Two processes of one site share a PostgreSQL database. One is killed in mid-delivery, again and
//! again; one is frozen until the other has taken over what it held, and wakes up. Every letter
//! arrives once.

use liaison_store::sql::Engine;
use liaison_store::testing::database_on;

use crate::shared_site::{SharedSite, until};

/// Letters in each direction.
const LETTERS: usize = 60;

#[test]
fn two_processes_of_a_site_survive_kills_and_freezes_of_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let database = database_on(Engine::Postgres, folder.path().join("site"));
    let site = SharedSite::start(&database);
    let in_hand = "SELECT COUNT(*) FROM relay_recipient WHERE state = 'active'";
    let taken = "SELECT COUNT(*) FROM relay_message";
    site.send_while(LETTERS, || {
        for round in 0..6 {
            let so_far = site.ask(taken).unwrap_or(0);
            // In mid-delivery, if the moment comes before three more messages have.
            until("something is being delivered", || {
                site.ask(in_hand) > Some(0) || site.ask(taken) >= Some(so_far + 3)
            });
            let victim = round % 2;
            if round % 3 == 2 {
                site.freeze_past_its_leases(victim);
            } else {
                site.kill(victim);
                site.restart(victim);
            }
        }
    });
    site.each_letter_arrived_once(LETTERS);
}
