//! How a worker carries messages over the bridge ([`crate::bridge`]).

use std::sync::Arc;

use liaison_mail::Refusal;

use super::carrying::{damaged, envelope, outcomes, whole};
use super::worker::{Parcel, Worker, all};
use crate::RelayError;
use crate::bridge::{Bridge, objection};
use crate::queue::Outcome;
use crate::queue::intake::Stowed;

impl Worker {
    /// Gives parcels to the smart host, one after the other over one connection. `Some` when it
    /// cannot be reached.
    pub(super) async fn bridge(
        &mut self,
        bridge: &Bridge,
        parcels: Vec<Parcel>,
    ) -> Result<Option<Refusal>, RelayError> {
        let outbound = Arc::clone(&self.outbound);
        let settings = &outbound.relay.settings;
        let mut session = None;
        let mut unreachable: Option<Refusal> = None;
        let mut parcels = parcels.into_iter();
        for parcel in parcels.by_ref() {
            let Some(parcel) = self.movable(parcel) else {
                continue;
            };
            let refused = objection(&parcel.loaded.message.envelope).or(unreachable.clone());
            if let Some(refusal) = refused {
                self.refuse(parcel, &refusal);
                continue;
            }
            // The client takes a message whole: one large one at a time.
            let _alone = match &parcel.loaded.content {
                Some(Stowed::File { .. }) => outbound.large.acquire().await.ok(),
                _ => None,
            };
            let content = match whole(&outbound, &parcel).await {
                Ok(Some(content)) => content,
                Ok(None) => {
                    self.record(parcel.loaded.message, all(parcel.claims, &damaged()));
                    continue;
                }
                Err(error) => {
                    self.give_back(parcel.claims).await;
                    for parcel in parcels {
                        self.give_back(parcel.claims).await;
                    }
                    return Err(error);
                }
            };
            let open = match session.take() {
                Some(open) => open,
                None => match bridge.open(&settings.hostname, &settings.limits).await {
                    Ok(open) => open,
                    Err(refusal) => {
                        self.refuse(parcel, &refusal);
                        unreachable = Some(refusal);
                        continue;
                    }
                },
            };
            let (sent, still_open) = open.send(&envelope(&parcel), &content).await;
            session = still_open;
            let accepted = Outcome::Relayed {
                reports: sent.reports,
            };
            let outcomes = outcomes(parcel.claims, sent.verdicts, &accepted);
            self.record(parcel.loaded.message, outcomes);
        }
        if let Some(session) = session {
            session.close().await;
        }
        Ok(unreachable)
    }
}
