CREATE TABLE directory_facts (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    title TEXT NOT NULL,
    source TEXT NOT NULL,
    as_of BIGINT NOT NULL,
    demonstration BIGINT NOT NULL
);

CREATE TABLE directory_entry (
    id TEXT PRIMARY KEY,
    position BIGINT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    activity TEXT,
    rpps TEXT,
    finess TEXT,
    organisation TEXT,
    town TEXT,
    search_text TEXT NOT NULL
);
CREATE INDEX directory_entry_rpps ON directory_entry (rpps);
CREATE INDEX directory_entry_finess ON directory_entry (finess);
CREATE INDEX directory_entry_organisation ON directory_entry (organisation);

CREATE TABLE directory_mailbox (
    address_key TEXT PRIMARY KEY,
    address TEXT NOT NULL,
    entry TEXT NOT NULL REFERENCES directory_entry (id),
    position BIGINT NOT NULL,
    kind TEXT NOT NULL,
    purposes TEXT NOT NULL
);
CREATE INDEX directory_mailbox_entry ON directory_mailbox (entry);

CREATE TABLE directory_certificate (
    address_key TEXT NOT NULL REFERENCES directory_mailbox (address_key),
    sha256 TEXT NOT NULL,
    position BIGINT NOT NULL,
    der BLOB NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_until BIGINT NOT NULL,
    revoked_at BIGINT,
    PRIMARY KEY (address_key, sha256)
);

CREATE TABLE directory_relay (
    domain TEXT PRIMARY KEY,
    server_name TEXT NOT NULL UNIQUE,
    host TEXT NOT NULL,
    port BIGINT NOT NULL
);

CREATE TABLE directory_relay_domain (
    domain TEXT PRIMARY KEY,
    relay TEXT NOT NULL REFERENCES directory_relay (domain),
    position BIGINT NOT NULL
);
