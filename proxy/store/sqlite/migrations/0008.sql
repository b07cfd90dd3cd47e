-- Which of a key's two secrets is used, since when, how often and from where: since rotated, when the
-- current secret was made (NULL: with the key). quiet is for how many milliseconds the previous secret
-- has to go unused before it ends early.
ALTER TABLE keys ADD COLUMN rotated INTEGER;
ALTER TABLE keys ADD COLUMN quiet INTEGER;
ALTER TABLE keys ADD COLUMN current_first INTEGER;
ALTER TABLE keys ADD COLUMN current_used INTEGER;
ALTER TABLE keys ADD COLUMN current_address TEXT;
ALTER TABLE keys ADD COLUMN current_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN previous_first INTEGER;
ALTER TABLE keys ADD COLUMN previous_address TEXT;
ALTER TABLE keys ADD COLUMN previous_count INTEGER NOT NULL DEFAULT 0;

UPDATE keys SET rotated =
    (SELECT max(time) FROM audit WHERE subject = '1c' || keys.id AND act = 'key.rotate');
UPDATE keys SET current_used = last_used, current_address = last_used_address, current_count = use_count
    WHERE rotated IS NULL AND previous_until IS NULL;

CREATE INDEX keys_quiet ON keys (previous_until) WHERE quiet IS NOT NULL;

-- Which active keys expire soon.
CREATE INDEX keys_expiring ON keys (expires) WHERE state = 'active';
