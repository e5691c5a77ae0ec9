//! A process that is cut off in the middle of a delivery leaves nothing lost, and its successor
//! need not wait for the lease's end.

use crate::territory;

use liaison_mail::port::{Carriage, HandOver as _};
use liaison_relay::history::History;
use liaison_relay::{RelayError, State};
use liaison_store::StoreError;
use territory::{Territory, envelope, hand_over, sealed};
use tokio::runtime::Runtime;

#[test]
fn a_queue_survives_a_stop_in_mid_way() {
    let territory = Territory::new();
    let mut home = territory.site("ehpad.test");
    let large = 300 * 1024;

    let first = Runtime::new().unwrap();
    first.block_on(async {
        let relay = home.start().await;
        if !home.settings.database.is_shared() {
            let second = home.try_open().await;
            assert!(matches!(
                second,
                Err(RelayError::Store(StoreError::Busy(_)))
            ));
        }
        home.gateway.hang(true);
        let sent = envelope("n1", "soins@ehpad.test", &["ide@ehpad.test"]);
        hand_over(&relay, sent, sealed("n1", large)).await;
        // The gateway has the message and will never answer.
        home.gateway.arrival().await;
        let held = relay.waiting(10).await.unwrap();
        assert_eq!(held[0].state, State::Active);
        // As an operator's command sees it from another process.
        let beside = History::open(&home.settings.database).await.unwrap();
        assert_eq!(beside.waiting(10).await.unwrap(), held);
        let folder = home.settings.bodies.folder().unwrap();
        let none = History::open(&folder.to_owned().into()).await;
        assert!(matches!(none, Err(RelayError::NoQueue(_))));
    });
    // Every task is dropped where it stands.
    first.shutdown_timeout(std::time::Duration::from_secs(10));

    home.gateway.hang(false);
    Runtime::new().unwrap().block_on(async {
        let relay = home.open().await;
        if home.settings.database.is_shared() {
            // Its heart has stopped: its successor notices when its patience is over.
            home.serve(&relay).await;
            let again = home.gateway.arrival().await;
            assert_eq!(again.envelope.id.as_str(), "n1");
            return home.stop(relay).await;
        }
        let held = relay.waiting(10).await.unwrap();
        assert_eq!(
            (held.len(), held[0].state, held[0].attempts),
            (1, State::Queued, 1)
        );
        home.serve(&relay).await;
        let again = home.gateway.arrival().await;
        assert_eq!(again.envelope.id.as_str(), "n1");
        assert!(
            again
                .message
                .whole()
                .unwrap()
                .ends_with(&sealed("n1", large))
        );
        let (id, _, carriage) = home.gateway.news().await;
        assert_eq!(carriage, Carriage::Delivered);
        assert_eq!(relay.carriage(id).await[0].1, Carriage::Delivered);
        // The report about it is the last thing; then the large body's file is gone.
        home.gateway.report().await;
        home.stop(relay).await;
        let folder = home.settings.bodies.folder().unwrap();
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
    });
}
