CREATE TABLE directory_list (
    list TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    signer TEXT NOT NULL,
    observed_at BIGINT NOT NULL,
    accepted_at BIGINT NOT NULL,
    file TEXT NOT NULL,
    subjects BIGINT NOT NULL,
    quarantined BIGINT NOT NULL
);

CREATE TABLE directory_refusal (
    list TEXT PRIMARY KEY,
    refused_at BIGINT NOT NULL,
    reason TEXT NOT NULL
);

CREATE TABLE directory_assertion (
    number INTEGER PRIMARY KEY,
    subject TEXT NOT NULL,
    source TEXT NOT NULL,
    signer TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    observed_at BIGINT NOT NULL,
    valid_from BIGINT,
    valid_until BIGINT,
    facts TEXT NOT NULL
);
CREATE UNIQUE INDEX directory_assertion_signer ON directory_assertion (signer, sequence);
