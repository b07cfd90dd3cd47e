-- A second secret while a key is rotated; where and how often a key is used.
ALTER TABLE keys ADD COLUMN previous_hash BLOB;
ALTER TABLE keys ADD COLUMN previous_sealed INTEGER NOT NULL DEFAULT 1;
ALTER TABLE keys ADD COLUMN previous_until INTEGER;
ALTER TABLE keys ADD COLUMN last_used_address TEXT;
ALTER TABLE keys ADD COLUMN use_count INTEGER NOT NULL DEFAULT 0;

-- Accounts and environments share one series of numbers, so one column can name either.
ALTER TABLE keys ADD COLUMN owner_id INTEGER
    GENERATED ALWAYS AS (coalesce(account_id, environment_id)) VIRTUAL;

DROP INDEX keys_unsealed;
CREATE INDEX keys_unsealed ON keys (id)
    WHERE (sealed = 0 OR previous_sealed = 0) AND state IN ('active', 'inactive');

-- Memberships get ids of their own, and a date.
ALTER TABLE memberships RENAME TO memberships_before;
DROP INDEX memberships_environment;
CREATE TABLE memberships (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    environment_id INTEGER NOT NULL REFERENCES environments (id),
    role TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;
INSERT INTO memberships (account_id, environment_id, role, created)
    SELECT account_id, environment_id, role, created
    FROM memberships_before JOIN environments ON environments.id = environment_id
    ORDER BY environment_id, account_id;
DROP TABLE memberships_before;
CREATE UNIQUE INDEX memberships_pair ON memberships (account_id, environment_id);
INSERT INTO counters SELECT 'membership', coalesce(max(id), 0) FROM memberships;

-- Lists in every order that can be requested, of everything and of one owner
-- (proxy/store/sql/listing.py). NULL counts as the least. `number` is the id once more: SQLite does
-- not seek to a row by the second column of an index where that is the primary key itself.
ALTER TABLE accounts ADD COLUMN number INTEGER GENERATED ALWAYS AS (id) VIRTUAL;
ALTER TABLE environments ADD COLUMN number INTEGER GENERATED ALWAYS AS (id) VIRTUAL;
ALTER TABLE memberships ADD COLUMN number INTEGER GENERATED ALWAYS AS (id) VIRTUAL;
ALTER TABLE audit ADD COLUMN number INTEGER GENERATED ALWAYS AS (sequence) VIRTUAL;
ALTER TABLE keys ADD COLUMN number INTEGER GENERATED ALWAYS AS (id) VIRTUAL;
ALTER TABLE keys ADD COLUMN by_name TEXT GENERATED ALWAYS AS (coalesce(name, '')) VIRTUAL;
ALTER TABLE keys ADD COLUMN by_expires INTEGER GENERATED ALWAYS AS (coalesce(expires, 0)) VIRTUAL;

-- So that the planner does not take the condition of the partial indexes for two places to seek to.
ALTER TABLE accounts ADD COLUMN by_state TEXT GENERATED ALWAYS AS (state) VIRTUAL;
ALTER TABLE environments ADD COLUMN by_state TEXT GENERATED ALWAYS AS (state) VIRTUAL;
ALTER TABLE keys ADD COLUMN by_state TEXT GENERATED ALWAYS AS (state) VIRTUAL;

CREATE INDEX memberships_by_id ON memberships (number);
CREATE INDEX memberships_of_account ON memberships (account_id, number);
CREATE INDEX memberships_of_environment ON memberships (environment_id, number);
CREATE INDEX audit_by_sequence ON audit (number);
CREATE INDEX audit_by_subject ON audit (subject, number);

DROP INDEX accounts_live;
DROP INDEX environments_live;
DROP INDEX keys_live;
DROP INDEX keys_account;
DROP INDEX keys_environment;
CREATE INDEX accounts_by_id ON accounts (number) WHERE state IN ('active', 'inactive');
CREATE INDEX accounts_by_name ON accounts (name, number) WHERE state IN ('active', 'inactive');
CREATE INDEX accounts_by_state ON accounts (by_state, number) WHERE state IN ('active', 'inactive');
CREATE INDEX accounts_by_created ON accounts (created, number) WHERE state IN ('active', 'inactive');
CREATE INDEX environments_by_id ON environments (number) WHERE state IN ('active', 'inactive');
CREATE INDEX environments_by_name ON environments (name, number) WHERE state IN ('active', 'inactive');
CREATE INDEX environments_by_state ON environments (by_state, number) WHERE state IN ('active', 'inactive');
CREATE INDEX environments_by_created ON environments (created, number) WHERE state IN ('active', 'inactive');
CREATE INDEX keys_by_id ON keys (number) WHERE state IN ('active', 'inactive');
CREATE INDEX keys_by_name ON keys (by_name, number) WHERE state IN ('active', 'inactive');
CREATE INDEX keys_by_state ON keys (by_state, number) WHERE state IN ('active', 'inactive');
CREATE INDEX keys_by_created ON keys (created, number) WHERE state IN ('active', 'inactive');
CREATE INDEX keys_by_expires ON keys (by_expires, number) WHERE state IN ('active', 'inactive');
CREATE INDEX keys_of_owner_by_id ON keys (owner_id, number) WHERE state IN ('active', 'inactive');
CREATE INDEX keys_of_owner_by_name ON keys (owner_id, by_name, number)
    WHERE state IN ('active', 'inactive');
CREATE INDEX keys_of_owner_by_state ON keys (owner_id, by_state, number)
    WHERE state IN ('active', 'inactive');
CREATE INDEX keys_of_owner_by_created ON keys (owner_id, created, number)
    WHERE state IN ('active', 'inactive');
CREATE INDEX keys_of_owner_by_expires ON keys (owner_id, by_expires, number)
    WHERE state IN ('active', 'inactive');
