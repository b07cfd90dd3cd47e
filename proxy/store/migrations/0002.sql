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
CREATE INDEX memberships_account ON memberships (account_id, id);
CREATE INDEX memberships_environment ON memberships (environment_id, id);
INSERT INTO counters SELECT 'membership', coalesce(max(id), 0) FROM memberships;

-- Lists in every order that can be asked for (proxy/store/sqlite_list.py), of everything and of one
-- owner. NULL counts as the least.
DROP INDEX keys_account;
DROP INDEX keys_environment;
CREATE INDEX keys_by_name ON keys (coalesce(name, ''), id)
    WHERE state IN ('active', 'inactive');
CREATE INDEX keys_by_state ON keys (state, id)
    WHERE state IN ('active', 'inactive');
CREATE INDEX keys_by_created ON keys (created, id)
    WHERE state IN ('active', 'inactive');
CREATE INDEX keys_by_expires ON keys (coalesce(expires, 0), id)
    WHERE state IN ('active', 'inactive');
CREATE INDEX keys_of_owner ON keys (owner_id, id)
    WHERE state IN ('active', 'inactive');
CREATE INDEX keys_of_owner_by_name ON keys (owner_id, coalesce(name, ''), id)
    WHERE state IN ('active', 'inactive');
CREATE INDEX keys_of_owner_by_state ON keys (owner_id, state, id)
    WHERE state IN ('active', 'inactive');
CREATE INDEX keys_of_owner_by_created ON keys (owner_id, created, id)
    WHERE state IN ('active', 'inactive');
CREATE INDEX keys_of_owner_by_expires ON keys (owner_id, coalesce(expires, 0), id)
    WHERE state IN ('active', 'inactive');
CREATE INDEX accounts_by_name ON accounts (name, id) WHERE state IN ('active', 'inactive');
CREATE INDEX accounts_by_state ON accounts (state, id) WHERE state IN ('active', 'inactive');
CREATE INDEX accounts_by_created ON accounts (created, id) WHERE state IN ('active', 'inactive');
CREATE INDEX environments_by_name ON environments (name, id)
    WHERE state IN ('active', 'inactive');
CREATE INDEX environments_by_state ON environments (state, id)
    WHERE state IN ('active', 'inactive');
CREATE INDEX environments_by_created ON environments (created, id)
    WHERE state IN ('active', 'inactive');
CREATE INDEX audit_by_subject ON audit (subject, sequence);
