-- Stays are found by their patient (a keyed digest) when identities merge or move.
ALTER TABLE episode ADD COLUMN patient_key BLOB;
CREATE INDEX episode_by_patient ON episode (patient_key);

-- Notices that wait before they leave, sealed.
CREATE TABLE waiting_notice (
    number TEXT PRIMARY KEY,
    episode_key BLOB NOT NULL,
    urgency BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    content BLOB NOT NULL
);
CREATE INDEX waiting_notice_by_due ON waiting_notice (due_at);

-- When a planned discharge may have to be said again.
CREATE TABLE reminder (
    episode_key BLOB NOT NULL,
    due_at BIGINT NOT NULL,
    PRIMARY KEY (episode_key, due_at)
);
CREATE INDEX reminder_by_due ON reminder (due_at);

ALTER TABLE held_notice ADD COLUMN episode_key BLOB;

-- Which message of the hospital's system a notice came from: what is sent back names it.
CREATE TABLE notice_origin (
    envelope TEXT PRIMARY KEY,
    control_id TEXT NOT NULL,
    application TEXT NOT NULL,
    facility TEXT NOT NULL
);
-- What became of it, until the hospital's system knows.
CREATE TABLE hospital_return (
    envelope TEXT NOT NULL,
    recipient TEXT NOT NULL,
    state BIGINT NOT NULL,
    at BIGINT NOT NULL,
    detail TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    PRIMARY KEY (envelope, recipient, state)
);
CREATE INDEX hospital_return_by_due ON hospital_return (next_attempt_at);

CREATE INDEX tracked_by_number ON tracked (number);
