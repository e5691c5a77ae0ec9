-- Which process works on a draft (see liaison_store::holder), and the number of its claim: what the
-- work comes to is kept only under the number with which it was claimed.
ALTER TABLE draft ADD COLUMN holder TEXT;
ALTER TABLE draft ADD COLUMN token BIGINT NOT NULL DEFAULT 0;
