-- Which stay a notice is about: replies cite the notice. The visit is sealed.
CREATE TABLE notice_stay (
    number TEXT PRIMARY KEY,
    episode_key BLOB NOT NULL,
    told_at BIGINT NOT NULL,
    visit BLOB NOT NULL
);
CREATE INDEX notice_stay_by_time ON notice_stay (told_at);

-- Who was asked for a document, and what became of it.
CREATE TABLE asked (
    number TEXT NOT NULL,
    wanted TEXT NOT NULL,
    episode_key BLOB NOT NULL,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    asked_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    state BIGINT NOT NULL,
    answered_at BIGINT,
    files BIGINT NOT NULL,
    PRIMARY KEY (number, wanted)
);
CREATE INDEX asked_by_due ON asked (state, due_at);
CREATE INDEX asked_by_stay ON asked (episode_key);

-- Mail to the ward that answers a notice, or asks something of the ward.
CREATE TABLE ward_mail (
    envelope TEXT PRIMARY KEY,
    came_at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    number TEXT NOT NULL,
    author TEXT NOT NULL,
    files BIGINT NOT NULL,
    due_at BIGINT,
    handled_at BIGINT,
    handled_by TEXT
);
CREATE INDEX ward_mail_by_time ON ward_mail (came_at);
CREATE INDEX ward_mail_by_due ON ward_mail (due_at);
