CREATE TABLE directory_log (
    origin TEXT PRIMARY KEY,
    note TEXT NOT NULL,
    size BIGINT NOT NULL,
    vouched_at BIGINT NOT NULL,
    witnessed_by TEXT NOT NULL,
    polled_at BIGINT NOT NULL,
    verdict TEXT NOT NULL,
    stale BIGINT NOT NULL,
    unusable BIGINT NOT NULL
);

CREATE TABLE directory_log_entry (
    origin TEXT NOT NULL,
    position BIGINT NOT NULL,
    leaf TEXT NOT NULL,
    seen_at BIGINT NOT NULL,
    verdict TEXT NOT NULL,
    held_until BIGINT,
    certificate TEXT,
    record TEXT,
    PRIMARY KEY (origin, position)
);

CREATE TABLE directory_log_key (
    origin TEXT NOT NULL,
    verifier TEXT NOT NULL,
    standing TEXT NOT NULL,
    held_until BIGINT,
    PRIMARY KEY (origin, verifier)
);

CREATE TABLE directory_log_confirmed (
    thing TEXT PRIMARY KEY,
    confirmed_at BIGINT NOT NULL
);

CREATE TABLE directory_log_alarm (
    number INTEGER PRIMARY KEY,
    origin TEXT NOT NULL,
    raised_at BIGINT NOT NULL,
    verdict TEXT NOT NULL,
    detail TEXT NOT NULL,
    known TEXT NOT NULL,
    shown TEXT NOT NULL
);
CREATE UNIQUE INDEX directory_log_alarm_once ON directory_log_alarm (origin, verdict, detail);

CREATE TABLE directory_witnessed (
    origin TEXT PRIMARY KEY,
    size BIGINT NOT NULL,
    root TEXT NOT NULL,
    note TEXT NOT NULL
);
