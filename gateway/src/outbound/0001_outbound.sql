-- What is durable here and not yet with the relay. A row is deleted once it has been handed over.
CREATE TABLE draft (
    envelope TEXT PRIMARY KEY,
    urgency BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    held BIGINT NOT NULL,
    -- The draft itself, sealed under the site key.
    content BLOB NOT NULL
);
CREATE INDEX draft_due ON draft (held, urgency DESC, next_attempt_at);
