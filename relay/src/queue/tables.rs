//! The tables of the queue.

use liaison_store::Schema;

/// The component's tables. Each recipient's waiting states have an index of their own, so that a
/// claim costs the same in an empty queue and in one of a million.
pub(crate) const SCHEMA: Schema = Schema {
    component: "relay",
    migrations: &[
        // relay_number: where numbers of messages, recipients and claims go on. origin is the
        // peer's name, or empty for the own gateway; speaks_for its domains when the message was
        // taken. trace: the relay's own header lines, which go before the body. sameness: see
        // admission::sameness. claimed_at, lease_until and token matter in the state 'active'
        // only, next_attempt_at in 'deferred' only.
        "CREATE TABLE relay_number (next BIGINT NOT NULL);
         INSERT INTO relay_number (next) VALUES (1);

         CREATE TABLE relay_message (
             id INTEGER PRIMARY KEY,
             origin TEXT NOT NULL,
             speaks_for TEXT NOT NULL,
             envelope_id TEXT NOT NULL,
             named BIGINT NOT NULL,
             reverse_path TEXT NOT NULL,
             ret TEXT NOT NULL,
             urgency BIGINT NOT NULL,
             message_id TEXT,
             trace TEXT NOT NULL,
             size BIGINT NOT NULL,
             eight_bit BIGINT NOT NULL,
             require_tls BIGINT NOT NULL,
             accepted_at BIGINT NOT NULL,
             done_at BIGINT
         );
         CREATE INDEX relay_message_envelope ON relay_message (envelope_id);
         CREATE INDEX relay_message_done ON relay_message (done_at) WHERE done_at IS NOT NULL;

         CREATE TABLE relay_body (
             message INTEGER PRIMARY KEY REFERENCES relay_message (id) ON DELETE CASCADE,
             file TEXT,
             octets BLOB
         );
         CREATE INDEX relay_body_file ON relay_body (file) WHERE file IS NOT NULL;

         CREATE TABLE relay_recipient (
             id INTEGER PRIMARY KEY,
             message BIGINT NOT NULL REFERENCES relay_message (id) ON DELETE CASCADE,
             sameness BLOB NOT NULL UNIQUE,
             address TEXT NOT NULL,
             domain TEXT NOT NULL,
             original TEXT,
             notify TEXT NOT NULL,
             urgency BIGINT NOT NULL,
             state TEXT NOT NULL,
             attempts BIGINT NOT NULL,
             next_attempt_at BIGINT NOT NULL,
             claimed_at BIGINT NOT NULL,
             lease_until BIGINT NOT NULL,
             token BIGINT NOT NULL,
             delay_told BIGINT NOT NULL,
             reply TEXT
         );
         CREATE INDEX relay_recipient_message ON relay_recipient (message);
         CREATE INDEX relay_recipient_queued
             ON relay_recipient (domain, urgency DESC, id) WHERE state = 'queued';
         CREATE INDEX relay_recipient_deferred
             ON relay_recipient (domain, next_attempt_at) WHERE state = 'deferred';
         CREATE INDEX relay_recipient_active
             ON relay_recipient (lease_until) WHERE state = 'active';

         CREATE TABLE relay_history (
             id INTEGER PRIMARY KEY,
             recipient BIGINT NOT NULL REFERENCES relay_recipient (id) ON DELETE CASCADE,
             began_at BIGINT,
             at BIGINT NOT NULL,
             state TEXT NOT NULL,
             attempt BIGINT NOT NULL,
             reply TEXT
         );
         CREATE INDEX relay_history_recipient ON relay_history (recipient);",
        // Who holds the lease; see liaison_store::holder.
        "ALTER TABLE relay_recipient ADD COLUMN holder TEXT",
    ],
};
