-- Discharge letters and lists of treatments, sealed, until their stay is forgotten.
CREATE TABLE letter (
    episode_key BLOB NOT NULL,
    letter_key BLOB NOT NULL,
    received_at BIGINT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (episode_key, letter_key)
);
CREATE INDEX letter_by_time ON letter (received_at);
