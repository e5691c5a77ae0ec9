//! The tables of the queue.

use liaison_store::Schema;

/// The component's tables. Each recipient's waiting states have an index of their own, so that a
/// claim costs the same in an empty queue and in one of a million.
///
/// `relay_number`: where numbers of messages, recipients and claims go on. `relay_message.origin`
/// is the peer's name, or empty for the own gateway; `speaks_for` its domains when the message was
/// taken; `trace` the relay's own header lines, which go before the body.
/// `relay_recipient.sameness`: see [`crate::admission::Sameness`]; `claimed_at`, `lease_until`,
/// `token` and `holder` ([`liaison_store::holder`]) matter in the state 'active' only,
/// `next_attempt_at` in 'deferred' only. `line` and `position`: see [`super::line`]; `seat` is the
/// number of the worker that has it in hand, 0 in every other state. `relay_taken_before`: what the first release took, by the
/// names under which it knew it again.
pub(crate) const SCHEMA: Schema = Schema {
    component: "relay",
    migrations: &[
        "CREATE TABLE relay_message (
             id INTEGER PRIMARY KEY,
             origin TEXT NOT NULL,
             speaks_for TEXT NOT NULL,
             envelope_id TEXT NOT NULL,
             named BIGINT NOT NULL,
             reverse_path TEXT NOT NULL,
             ret TEXT NOT NULL,
             urgency BIGINT NOT NULL,
             message_id TEXT,
             size BIGINT NOT NULL,
             accepted_at BIGINT NOT NULL,
             done_at BIGINT
         );
         CREATE INDEX relay_message_envelope ON relay_message (envelope_id, origin);
         CREATE INDEX relay_message_done ON relay_message (done_at) WHERE done_at IS NOT NULL;

         CREATE TABLE relay_body (
             message BIGINT PRIMARY KEY REFERENCES relay_message (id) ON DELETE CASCADE,
             file TEXT,
             octets BLOB
         );
         CREATE INDEX relay_body_file ON relay_body (file) WHERE file IS NOT NULL;

         CREATE TABLE relay_recipient (
             id INTEGER PRIMARY KEY,
             message BIGINT NOT NULL REFERENCES relay_message (id) ON DELETE CASCADE,
             sameness TEXT NOT NULL,
             address TEXT NOT NULL,
             address_key TEXT NOT NULL,
             domain TEXT NOT NULL,
             original TEXT,
             notify TEXT NOT NULL,
             urgency BIGINT NOT NULL,
             state TEXT NOT NULL,
             attempts BIGINT NOT NULL,
             next_attempt_at BIGINT NOT NULL,
             lease_until BIGINT NOT NULL,
             delay_told BIGINT NOT NULL,
             reply TEXT,
             UNIQUE (sameness, address_key)
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
             at BIGINT NOT NULL,
             state TEXT NOT NULL,
             attempt BIGINT NOT NULL,
             reply TEXT
         );
         CREATE INDEX relay_history_recipient ON relay_history (recipient);",
        // The first release worked on SQLite alone, one process a file: none of it goes on beside a
        // newer one, and tables may be made anew. Children first: to drop a table empties those
        // that refer to it.
        "ALTER TABLE relay_message ADD COLUMN trace TEXT NOT NULL DEFAULT '';
         ALTER TABLE relay_message ADD COLUMN eight_bit BIGINT NOT NULL DEFAULT 0;
         ALTER TABLE relay_message ADD COLUMN require_tls BIGINT NOT NULL DEFAULT 0;
         DROP INDEX relay_message_envelope;
         CREATE INDEX relay_message_envelope ON relay_message (envelope_id);

         CREATE TABLE relay_number (next BIGINT NOT NULL);
         INSERT INTO relay_number (next)
             SELECT 1 + COALESCE(MAX(id), 0) FROM (
                 SELECT id FROM relay_message UNION ALL SELECT id FROM relay_recipient) AS used;

         CREATE TABLE relay_body_2 (
             message INTEGER PRIMARY KEY REFERENCES relay_message (id) ON DELETE CASCADE,
             file TEXT,
             octets BLOB
         );
         INSERT INTO relay_body_2 (message, file, octets)
             SELECT message, file, octets FROM relay_body;
         DROP TABLE relay_body;
         ALTER TABLE relay_body_2 RENAME TO relay_body;
         CREATE INDEX relay_body_file ON relay_body (file) WHERE file IS NOT NULL;

         CREATE TABLE relay_recipient_2 (
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
             reply TEXT,
             holder TEXT
         );
         INSERT INTO relay_recipient_2 (id, message, sameness, address, domain, original, notify,
                                        urgency, state, attempts, next_attempt_at, claimed_at,
                                        lease_until, token, delay_told, reply)
             SELECT id, message, CAST('before ' || id AS BLOB), address, domain, original, notify,
                    urgency, state, attempts, next_attempt_at, 0, lease_until, 0, delay_told, reply
             FROM relay_recipient;
         CREATE TABLE relay_taken_before (
             recipient INTEGER PRIMARY KEY REFERENCES relay_recipient_2 (id) ON DELETE CASCADE,
             sameness TEXT NOT NULL,
             address_key TEXT NOT NULL
         );
         INSERT INTO relay_taken_before (recipient, sameness, address_key)
             SELECT id, sameness, address_key FROM relay_recipient;
         CREATE INDEX relay_taken_before_sameness ON relay_taken_before (sameness);
         CREATE TABLE relay_history_2 (
             id INTEGER PRIMARY KEY,
             recipient BIGINT NOT NULL REFERENCES relay_recipient_2 (id) ON DELETE CASCADE,
             began_at BIGINT,
             at BIGINT NOT NULL,
             state TEXT NOT NULL,
             attempt BIGINT NOT NULL,
             reply TEXT
         );
         INSERT INTO relay_history_2 (recipient, at, state, attempt, reply)
             SELECT recipient, at, state, attempt, reply FROM relay_history ORDER BY id;
         DROP TABLE relay_history;
         DROP TABLE relay_recipient;
         ALTER TABLE relay_recipient_2 RENAME TO relay_recipient;
         ALTER TABLE relay_history_2 RENAME TO relay_history;
         CREATE INDEX relay_recipient_message ON relay_recipient (message);
         CREATE INDEX relay_recipient_queued
             ON relay_recipient (domain, urgency DESC, id) WHERE state = 'queued';
         CREATE INDEX relay_recipient_deferred
             ON relay_recipient (domain, next_attempt_at) WHERE state = 'deferred';
         CREATE INDEX relay_recipient_active
             ON relay_recipient (lease_until) WHERE state = 'active';
         CREATE INDEX relay_history_recipient ON relay_history (recipient);",
        "ALTER TABLE relay_recipient ADD COLUMN line BLOB;
         ALTER TABLE relay_recipient ADD COLUMN position BIGINT NOT NULL DEFAULT 0;
         ALTER TABLE relay_recipient ADD COLUMN seat BIGINT NOT NULL DEFAULT 0;
         UPDATE relay_recipient SET position = id
             WHERE state IN ('queued', 'active', 'deferred', 'held');
         CREATE INDEX relay_recipient_line ON relay_recipient (line, state, seat, position)
             WHERE state IN ('queued', 'active', 'deferred') AND line IS NOT NULL;
         DROP INDEX relay_recipient_queued;
         CREATE INDEX relay_recipient_queued
             ON relay_recipient (domain, urgency DESC, position) WHERE state = 'queued';
         DROP INDEX relay_recipient_deferred;
         CREATE INDEX relay_recipient_deferred
             ON relay_recipient (domain, next_attempt_at, position) WHERE state = 'deferred';",
    ],
};
