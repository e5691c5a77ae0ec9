-- What this gateway sent and what became of each recipient. Nothing here names a patient.
CREATE TABLE tracked (
    envelope TEXT PRIMARY KEY,
    message_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    urgency BIGINT NOT NULL,
    kind TEXT NOT NULL,
    number TEXT NOT NULL,
    title TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX tracked_by_message_id ON tracked (message_id);
CREATE INDEX tracked_by_time ON tracked (at);

CREATE TABLE tracked_recipient (
    envelope TEXT NOT NULL REFERENCES tracked (envelope),
    position BIGINT NOT NULL,
    wanted TEXT NOT NULL,
    address TEXT,
    state BIGINT NOT NULL,
    since BIGINT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (envelope, position)
);
CREATE INDEX tracked_recipient_by_address ON tracked_recipient (envelope, address);

-- Every piece of news as it came, never changed.
CREATE TABLE tracked_news (
    envelope TEXT NOT NULL REFERENCES tracked (envelope),
    recipient TEXT NOT NULL,
    state BIGINT NOT NULL,
    at BIGINT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX tracked_news_by_envelope ON tracked_news (envelope, at);
