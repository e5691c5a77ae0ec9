-- Drafts of one lane are handed over in the order of their positions.
ALTER TABLE draft ADD COLUMN lane BLOB;
ALTER TABLE draft ADD COLUMN position BIGINT NOT NULL DEFAULT 0;
CREATE INDEX draft_by_lane ON draft (lane, position);
CREATE INDEX draft_in_order ON draft (held, urgency DESC, created_at);
