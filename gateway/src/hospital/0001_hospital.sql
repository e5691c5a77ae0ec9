-- The feed of the hospital system. Contents are sealed; keys are keyed digests.
CREATE TABLE feed_message (
    id TEXT PRIMARY KEY,
    received_at BIGINT NOT NULL,
    trigger_event TEXT NOT NULL,
    outcome TEXT NOT NULL,
    content BLOB NOT NULL
);
CREATE INDEX feed_message_by_time ON feed_message (received_at);

CREATE TABLE episode (
    episode_key BLOB PRIMARY KEY,
    changed_at BIGINT NOT NULL,
    content BLOB NOT NULL
);

-- Notices that wait for a person's decision.
CREATE TABLE held_notice (
    id TEXT PRIMARY KEY,
    held_at BIGINT NOT NULL,
    reason TEXT NOT NULL,
    content BLOB NOT NULL
);

CREATE TABLE notice_number (
    day TEXT PRIMARY KEY,
    last BIGINT NOT NULL
);
