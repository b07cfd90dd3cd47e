-- Times are milliseconds since the epoch. A state is active, inactive, removed or purged; rows stay.

CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL,
    seal_key BLOB NOT NULL
) STRICT;

CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;

INSERT INTO counters VALUES ('account', 0), ('key', 0);

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- Accounts and environments share the counter 'account'.
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    state TEXT NOT NULL,
    created INTEGER NOT NULL,
    removed INTEGER
) STRICT;

CREATE INDEX accounts_live ON accounts (id) WHERE state IN ('active', 'inactive');

CREATE INDEX accounts_admins ON accounts (id) WHERE kind = 'admin';

CREATE TABLE environments (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    state TEXT NOT NULL,
    created INTEGER NOT NULL,
    removed INTEGER
) STRICT;

CREATE UNIQUE INDEX environments_slug ON environments (slug COLLATE NOCASE)
    WHERE state IN ('active', 'inactive');

CREATE INDEX environments_live ON environments (id) WHERE state IN ('active', 'inactive');

CREATE TABLE memberships (
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    environment_id INTEGER NOT NULL REFERENCES environments (id),
    role TEXT NOT NULL,
    PRIMARY KEY (account_id, environment_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX memberships_environment ON memberships (environment_id, account_id);

CREATE TABLE keys (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL,
    access_key TEXT NOT NULL,
    secret_hash BLOB NOT NULL,
    sealed INTEGER NOT NULL,
    account_id INTEGER REFERENCES accounts (id),
    environment_id INTEGER REFERENCES environments (id),
    creator_id INTEGER,
    role TEXT NOT NULL,
    name TEXT,
    description TEXT,
    state TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER,
    removed INTEGER,
    last_used INTEGER,
    CHECK ((account_id IS NULL) <> (environment_id IS NULL))
) STRICT;

CREATE UNIQUE INDEX keys_access_key ON keys (access_key) WHERE state <> 'purged';

CREATE INDEX keys_live ON keys (id) WHERE state IN ('active', 'inactive');

CREATE INDEX keys_account ON keys (account_id, id) WHERE state IN ('active', 'inactive');

CREATE INDEX keys_environment ON keys (environment_id, id) WHERE state IN ('active', 'inactive');

CREATE INDEX keys_unsealed ON keys (id) WHERE sealed = 0 AND state IN ('active', 'inactive');

-- Each entry's hash covers the one before: proxy/domain/audit.py says how. before and after are
-- JSON. act is the action.
CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    account TEXT,
    key TEXT,
    address TEXT,
    request_id TEXT,
    act TEXT NOT NULL,
    subject TEXT NOT NULL,
    before TEXT,
    after TEXT,
    hash TEXT NOT NULL
) STRICT;
