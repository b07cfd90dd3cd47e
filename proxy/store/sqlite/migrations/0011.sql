-- Uses of keys, in a row for each key from when it is made: they are counted at any time, by every node,
-- while a key itself is only changed under the lock of changes, and is in many more indexes. live and
-- owner_id are there so that one index has the keys of a list in the order of their last use; live is 0
-- once a key is removed. since is the rotation that the uses of the two secrets are counted from.
CREATE TABLE uses (
    key_id INTEGER PRIMARY KEY REFERENCES keys (id),
    owner_id INTEGER NOT NULL,
    live INTEGER NOT NULL DEFAULT 1,
    last_used INTEGER,
    last_used_address TEXT,
    use_count INTEGER NOT NULL DEFAULT 0,
    since INTEGER,
    current_first INTEGER,
    current_used INTEGER,
    current_address TEXT,
    current_count INTEGER NOT NULL DEFAULT 0,
    previous_first INTEGER,
    previous_used INTEGER,
    previous_address TEXT,
    previous_count INTEGER NOT NULL DEFAULT 0,
    by_last_used INTEGER GENERATED ALWAYS AS (coalesce(last_used, 0)) VIRTUAL,
    number INTEGER GENERATED ALWAYS AS (key_id) VIRTUAL
) STRICT;
INSERT INTO uses
    SELECT id, owner_id, state IN ('active', 'inactive'), last_used, last_used_address, use_count,
        rotated, current_first, current_used, current_address, current_count,
        previous_first, previous_used, previous_address, previous_count
    FROM keys;
CREATE INDEX uses_by_last_used ON uses (by_last_used, number) WHERE live = 1;
CREATE INDEX uses_of_owner_by_last_used ON uses (owner_id, by_last_used, number) WHERE live = 1;

DROP INDEX keys_by_last_used;
DROP INDEX keys_of_owner_by_last_used;
ALTER TABLE keys DROP COLUMN by_last_used;
ALTER TABLE keys DROP COLUMN last_used;
ALTER TABLE keys DROP COLUMN last_used_address;
ALTER TABLE keys DROP COLUMN use_count;
ALTER TABLE keys DROP COLUMN current_first;
ALTER TABLE keys DROP COLUMN current_used;
ALTER TABLE keys DROP COLUMN current_address;
ALTER TABLE keys DROP COLUMN current_count;
ALTER TABLE keys DROP COLUMN previous_first;
ALTER TABLE keys DROP COLUMN previous_used;
ALTER TABLE keys DROP COLUMN previous_address;
ALTER TABLE keys DROP COLUMN previous_count;

-- What a program has to know so that it may go by a record: the schema that brought it. A program that
-- knows less takes the record for inactive.
ALTER TABLE accounts ADD COLUMN needs INTEGER NOT NULL DEFAULT 0;
ALTER TABLE environments ADD COLUMN needs INTEGER NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN needs INTEGER NOT NULL DEFAULT 0;
ALTER TABLE memberships ADD COLUMN needs INTEGER NOT NULL DEFAULT 0;

-- store_id tells stores from one another. min_schema is the oldest schema whose programs may use the store:
-- what came with it may be used, since nobody is left who does not know it. moved_to is the URL of the
-- store that has taken its place.
ALTER TABLE meta ADD COLUMN store_id TEXT NOT NULL DEFAULT '';
ALTER TABLE meta ADD COLUMN min_schema INTEGER NOT NULL DEFAULT 11;
ALTER TABLE meta ADD COLUMN moved_to TEXT;
UPDATE meta SET store_id = lower(hex(randomblob(16)));
