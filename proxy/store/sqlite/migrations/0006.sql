-- When the secret before the last rotation was last used: whoever rotates a key waits for its end.
ALTER TABLE keys ADD COLUMN previous_used INTEGER;
