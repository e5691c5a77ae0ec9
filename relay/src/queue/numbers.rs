//! Numbers for messages, recipients and claims: each given once, in growing order within a
//! process. They are reserved in blocks, so that rows can be put together before their
//! transaction and several processes never meet.

use std::ops::Range;
use std::sync::Arc;

use liaison_store::Store;
use sqlx::Row as _;
use tokio::sync::Mutex;

use crate::RelayError;

/// Numbers in one block: what a restart leaves unused.
const BLOCK: i64 = 10_000;

#[derive(Clone)]
pub(super) struct Numbers {
    store: Store,
    block: Arc<Mutex<Range<i64>>>,
}

impl Numbers {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            block: Arc::default(),
        }
    }

    /// The next `count` numbers, all in a row; at most [`BLOCK`].
    pub(super) async fn take(&self, count: i64) -> Result<Range<i64>, RelayError> {
        let mut block = self.block.lock().await;
        if block.end - block.start < count {
            *block = self.reserve().await?;
        }
        let first = block.start;
        block.start += count;
        Ok(first..first + count)
    }

    async fn reserve(&self) -> Result<Range<i64>, RelayError> {
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let row =
                        sqlx::query("UPDATE relay_number SET next = next + $1 RETURNING next")
                            .bind(BLOCK)
                            .fetch_one(tx)
                            .await?;
                    let next: i64 = row.try_get(0)?;
                    Ok(next - BLOCK..next)
                })
            })
            .await
    }
}
