-- What mail clients have submitted, one row a message and recipient, so that a client that tries
-- again after a lost reply sends nothing twice. The tag is a keyed digest.
CREATE TABLE submitted (
    tag BLOB PRIMARY KEY,
    at BIGINT NOT NULL
);
CREATE INDEX submitted_at ON submitted (at);
