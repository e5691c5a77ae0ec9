-- What a hospital's system answered, and when it had the news at last.
ALTER TABLE hospital_return ADD COLUMN answer TEXT;
ALTER TABLE hospital_return ADD COLUMN told_at BIGINT;
UPDATE hospital_return SET told_at = at WHERE next_attempt_at = 9223372036854775807;
