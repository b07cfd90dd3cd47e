-- What is new is described in proxy/store/sqlite/migrations. No program of schema 10 can use the store
-- from here on, since the uses of keys have left their table: all nodes have to be stopped for this one.
CREATE TABLE uses (
    key_id BIGINT PRIMARY KEY REFERENCES keys (id),
    owner_id BIGINT NOT NULL,
    live BIGINT NOT NULL DEFAULT 1,
    last_used BIGINT,
    last_used_address TEXT COLLATE "C",
    use_count BIGINT NOT NULL DEFAULT 0,
    since BIGINT,
    current_first BIGINT,
    current_used BIGINT,
    current_address TEXT COLLATE "C",
    current_count BIGINT NOT NULL DEFAULT 0,
    previous_first BIGINT,
    previous_used BIGINT,
    previous_address TEXT COLLATE "C",
    previous_count BIGINT NOT NULL DEFAULT 0,
    by_last_used BIGINT GENERATED ALWAYS AS (coalesce(last_used, 0)) STORED,
    number BIGINT GENERATED ALWAYS AS (key_id) STORED
);
INSERT INTO uses
    SELECT id, owner_id, CASE WHEN state IN ('active', 'inactive') THEN 1 ELSE 0 END,
        last_used, last_used_address, use_count,
        rotated, current_first, current_used, current_address, current_count,
        previous_first, previous_used, previous_address, previous_count
    FROM keys;
CREATE INDEX uses_by_last_used ON uses (by_last_used, number) WHERE live = 1;
CREATE INDEX uses_of_owner_by_last_used ON uses (owner_id, by_last_used, number) WHERE live = 1;

ALTER TABLE keys
    DROP COLUMN by_last_used,
    DROP COLUMN last_used,
    DROP COLUMN last_used_address,
    DROP COLUMN use_count,
    DROP COLUMN current_first,
    DROP COLUMN current_used,
    DROP COLUMN current_address,
    DROP COLUMN current_count,
    DROP COLUMN previous_first,
    DROP COLUMN previous_used,
    DROP COLUMN previous_address,
    DROP COLUMN previous_count;

ALTER TABLE accounts ADD COLUMN needs BIGINT NOT NULL DEFAULT 0;
ALTER TABLE environments ADD COLUMN needs BIGINT NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN needs BIGINT NOT NULL DEFAULT 0;
ALTER TABLE memberships ADD COLUMN needs BIGINT NOT NULL DEFAULT 0;

ALTER TABLE meta ADD COLUMN store_id TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE meta ADD COLUMN min_schema BIGINT NOT NULL DEFAULT 11;
ALTER TABLE meta ADD COLUMN moved_to TEXT COLLATE "C";
UPDATE meta SET store_id = replace(CAST(gen_random_uuid() AS TEXT), '-', '');

-- The program that a node runs, the newest schema that it knows, and how many processes it has.
ALTER TABLE nodes
    ADD COLUMN version TEXT COLLATE "C",
    ADD COLUMN schema BIGINT,
    ADD COLUMN workers BIGINT;
