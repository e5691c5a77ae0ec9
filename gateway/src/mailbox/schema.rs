use liaison_store::Schema;

/// The tables of mailboxes. `folder` numbers are UIDVALIDITY values (RFC 3501 §2.3.1.1): seconds
/// since 1970 at the folder's making, pushed up so that no number comes back within a mailbox.
pub const SCHEMA: Schema = Schema {
    component: "mailbox",
    migrations: &["
    CREATE TABLE mailbox (
        address TEXT PRIMARY KEY,
        modseq BIGINT NOT NULL,
        validity BIGINT NOT NULL
    );
    CREATE TABLE folder (
        mailbox TEXT NOT NULL,
        folder BIGINT NOT NULL,
        name BLOB NOT NULL,
        name_tag BLOB NOT NULL,
        special_use TEXT,
        subscribed BIGINT NOT NULL,
        uid_next BIGINT NOT NULL,
        recent_from BIGINT NOT NULL,
        PRIMARY KEY (mailbox, folder),
        UNIQUE (mailbox, name_tag)
    );
    CREATE TABLE content (
        mailbox TEXT NOT NULL,
        content TEXT NOT NULL,
        body BLOB,
        body_file TEXT,
        tracked TEXT,
        PRIMARY KEY (mailbox, content)
    );
    CREATE TABLE message (
        mailbox TEXT NOT NULL,
        folder BIGINT NOT NULL,
        uid BIGINT NOT NULL,
        content TEXT NOT NULL,
        flags BIGINT NOT NULL,
        keywords BLOB,
        internal_date BIGINT NOT NULL,
        size BIGINT NOT NULL,
        modseq BIGINT NOT NULL,
        PRIMARY KEY (mailbox, folder, uid)
    );
    CREATE INDEX message_change ON message (mailbox, folder, modseq);
    CREATE INDEX message_content ON message (mailbox, content);
    CREATE TABLE filed (
        mailbox TEXT NOT NULL,
        dedupe BLOB NOT NULL,
        folder BIGINT NOT NULL,
        uid BIGINT NOT NULL,
        at BIGINT NOT NULL,
        PRIMARY KEY (mailbox, dedupe)
    );
    CREATE TABLE opening (
        token TEXT NOT NULL,
        mailbox TEXT NOT NULL,
        account TEXT NOT NULL,
        at BIGINT NOT NULL,
        PRIMARY KEY (token, mailbox)
    );
    "],
};
