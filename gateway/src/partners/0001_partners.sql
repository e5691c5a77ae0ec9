-- What is known of each partner's mail client and keys, as `partners::Known` writes it.
CREATE TABLE partner (
    address TEXT PRIMARY KEY,
    known TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);
