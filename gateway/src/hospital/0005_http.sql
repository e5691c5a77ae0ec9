-- Idempotency keys of requests over HTTP, as keyed digests, with what each came to.
CREATE TABLE http_request (
    request_key BLOB PRIMARY KEY,
    body_key BLOB NOT NULL,
    answered_at BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    notices BIGINT NOT NULL
);
CREATE INDEX http_request_by_time ON http_request (answered_at);
