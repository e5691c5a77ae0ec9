use liaison_store::Schema;

/// The tables of the register in the gateway's database. `report_node` keeps the hash of each
/// complete subtree; nothing in it ever changes. Erasing a report deletes its `report_record` and
/// nothing else.
pub const SCHEMA: Schema = Schema {
    component: "reports",
    migrations: &["
    CREATE TABLE report_log (
        log BIGINT PRIMARY KEY,
        origin TEXT NOT NULL,
        signing_key BLOB NOT NULL,
        size BIGINT NOT NULL
    );
    CREATE TABLE report_node (
        level BIGINT NOT NULL,
        position BIGINT NOT NULL,
        hash BLOB NOT NULL,
        PRIMARY KEY (level, position)
    );
    CREATE TABLE report_entry (
        position BIGINT PRIMARY KEY,
        series TEXT NOT NULL,
        year BIGINT NOT NULL,
        serial BIGINT NOT NULL,
        erases TEXT NOT NULL,
        received_at BIGINT NOT NULL,
        commitment BLOB NOT NULL,
        verified BIGINT NOT NULL,
        UNIQUE (series, year, serial)
    );
    CREATE TABLE report_record (
        position BIGINT PRIMARY KEY,
        wrapped_key BLOB NOT NULL,
        content BLOB NOT NULL
    );
    CREATE TABLE report_arrival (
        tag BLOB PRIMARY KEY
    );"],
};
