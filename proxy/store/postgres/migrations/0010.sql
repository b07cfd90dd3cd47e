-- The whole schema as of number 10, which is the first one for PostgreSQL; it has the same tables and
-- columns as that of SQLite under the same number (proxy/store/sqlite/migrations, which say what they
-- are for). Text is compared byte for byte, as SQLite does; columns named by_… and number are there
-- because the statements are the same.

CREATE TABLE meta (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    revision BIGINT NOT NULL,
    seal_key BYTEA NOT NULL,
    schema BIGINT NOT NULL
);

CREATE TABLE counters (
    name TEXT COLLATE "C" PRIMARY KEY,
    value BIGINT NOT NULL
);

CREATE TABLE settings (
    name TEXT COLLATE "C" PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);

CREATE TABLE accounts (
    id BIGINT PRIMARY KEY,
    uuid TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C",
    state TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    removed BIGINT,
    number BIGINT GENERATED ALWAYS AS (id) STORED,
    by_state TEXT COLLATE "C" GENERATED ALWAYS AS (state) STORED,
    limits TEXT COLLATE "C"
);
CREATE INDEX accounts_admins ON accounts (id) WHERE kind = 'admin';
CREATE INDEX accounts_by_id ON accounts (number) WHERE state IN ('active', 'inactive');
CREATE INDEX accounts_by_name ON accounts (name, number) WHERE state IN ('active', 'inactive');
CREATE INDEX accounts_by_state ON accounts (by_state, number) WHERE state IN ('active', 'inactive');
CREATE INDEX accounts_by_created ON accounts (created, number)
    WHERE state IN ('active', 'inactive');

CREATE TABLE environments (
    id BIGINT PRIMARY KEY,
    uuid TEXT COLLATE "C" NOT NULL,
    slug TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C",
    state TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    removed BIGINT,
    number BIGINT GENERATED ALWAYS AS (id) STORED,
    by_state TEXT COLLATE "C" GENERATED ALWAYS AS (state) STORED,
    limits TEXT COLLATE "C"
);
CREATE INDEX environments_by_id ON environments (number) WHERE state IN ('active', 'inactive');
CREATE INDEX environments_by_name ON environments (name, number)
    WHERE state IN ('active', 'inactive');
CREATE INDEX environments_by_state ON environments (by_state, number)
    WHERE state IN ('active', 'inactive');
CREATE INDEX environments_by_created ON environments (created, number)
    WHERE state IN ('active', 'inactive');
CREATE UNIQUE INDEX environments_slug ON environments (lower(slug))
    WHERE state IN ('active', 'inactive');

CREATE TABLE keys (
    id BIGINT PRIMARY KEY,
    uuid TEXT COLLATE "C" NOT NULL,
    access_key TEXT COLLATE "C" NOT NULL,
    secret_hash BYTEA NOT NULL,
    sealed BIGINT NOT NULL,
    account_id BIGINT REFERENCES accounts (id),
    environment_id BIGINT REFERENCES environments (id),
    creator_id BIGINT,
    role TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C",
    description TEXT COLLATE "C",
    state TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT,
    removed BIGINT,
    last_used BIGINT,
    previous_hash BYTEA,
    previous_sealed BIGINT NOT NULL DEFAULT 1,
    previous_until BIGINT,
    last_used_address TEXT COLLATE "C",
    use_count BIGINT NOT NULL DEFAULT 0,
    owner_id BIGINT GENERATED ALWAYS AS (coalesce(account_id, environment_id)) STORED,
    number BIGINT GENERATED ALWAYS AS (id) STORED,
    by_name TEXT COLLATE "C" GENERATED ALWAYS AS (coalesce(name, '')) STORED,
    by_expires BIGINT GENERATED ALWAYS AS (coalesce(expires, 0)) STORED,
    by_state TEXT COLLATE "C" GENERATED ALWAYS AS (state) STORED,
    by_last_used BIGINT GENERATED ALWAYS AS (coalesce(last_used, 0)) STORED,
    previous_used BIGINT,
    limits TEXT COLLATE "C",
    rotated BIGINT,
    quiet BIGINT,
    current_first BIGINT,
    current_used BIGINT,
    current_address TEXT COLLATE "C",
    current_count BIGINT NOT NULL DEFAULT 0,
    previous_first BIGINT,
    previous_address TEXT COLLATE "C",
    previous_count BIGINT NOT NULL DEFAULT 0,
    CHECK ((account_id IS NULL) <> (environment_id IS NULL))
);
CREATE UNIQUE INDEX keys_access_key ON keys (access_key) WHERE state <> 'purged';
CREATE INDEX keys_unsealed ON keys (id)
    WHERE (sealed = 0 OR previous_sealed = 0) AND state IN ('active', 'inactive');
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
CREATE INDEX keys_of_account ON keys (account_id) WHERE account_id IS NOT NULL;
CREATE INDEX keys_by_last_used ON keys (by_last_used, number) WHERE state IN ('active', 'inactive');
CREATE INDEX keys_by_role ON keys (role, number) WHERE state IN ('active', 'inactive');
CREATE INDEX keys_by_access_key ON keys (access_key, number) WHERE state IN ('active', 'inactive');
CREATE INDEX keys_of_owner_by_last_used ON keys (owner_id, by_last_used, number)
    WHERE state IN ('active', 'inactive');
CREATE INDEX keys_of_owner_by_role ON keys (owner_id, role, number)
    WHERE state IN ('active', 'inactive');
CREATE INDEX keys_of_owner_by_access_key ON keys (owner_id, access_key, number)
    WHERE state IN ('active', 'inactive');
CREATE INDEX keys_quiet ON keys (previous_until) WHERE quiet IS NOT NULL;
CREATE INDEX keys_expiring ON keys (expires) WHERE state = 'active';

CREATE TABLE memberships (
    id BIGINT PRIMARY KEY,
    account_id BIGINT NOT NULL REFERENCES accounts (id),
    environment_id BIGINT NOT NULL REFERENCES environments (id),
    role TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    number BIGINT GENERATED ALWAYS AS (id) STORED
);
CREATE UNIQUE INDEX memberships_pair ON memberships (account_id, environment_id);
CREATE INDEX memberships_by_id ON memberships (number);
CREATE INDEX memberships_of_account ON memberships (account_id, number);
CREATE INDEX memberships_of_environment ON memberships (environment_id, number);

CREATE TABLE audit (
    sequence BIGINT PRIMARY KEY,
    time BIGINT NOT NULL,
    account TEXT COLLATE "C",
    key TEXT COLLATE "C",
    address TEXT COLLATE "C",
    request_id TEXT COLLATE "C",
    act TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    before TEXT COLLATE "C",
    after TEXT COLLATE "C",
    hash TEXT COLLATE "C" NOT NULL,
    number BIGINT GENERATED ALWAYS AS (sequence) STORED,
    identity TEXT COLLATE "C"
);
CREATE INDEX audit_by_sequence ON audit (number);
CREATE INDEX audit_by_subject ON audit (subject, number);
CREATE INDEX audit_by_time ON audit (time, number);
CREATE INDEX audit_by_account ON audit (account, number);
CREATE INDEX audit_by_key ON audit (key, number);

CREATE TABLE sessions (
    id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    digest BYTEA NOT NULL UNIQUE,
    key_id BIGINT REFERENCES keys (id),
    secret_hash BYTEA,
    created BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    agent TEXT COLLATE "C" NOT NULL,
    account_id BIGINT NOT NULL REFERENCES accounts (id),
    issuer TEXT COLLATE "C",
    claim TEXT COLLATE "C",
    claimed TEXT COLLATE "C",
    CHECK ((key_id IS NULL) <> (claimed IS NULL))
);
CREATE INDEX sessions_of_account ON sessions (account_id);
CREATE INDEX sessions_of_key ON sessions (key_id);
CREATE INDEX sessions_of_person ON sessions (claimed);
CREATE INDEX sessions_by_last_seen ON sessions (last_seen);

CREATE TABLE usage_kinds (
    id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    route TEXT COLLATE "C" NOT NULL,
    method TEXT COLLATE "C" NOT NULL,
    status BIGINT NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    UNIQUE (route, method, status, reason)
);

CREATE TABLE usage (
    hour BIGINT NOT NULL,
    key_id BIGINT NOT NULL,
    environment_id BIGINT NOT NULL,
    kind_id BIGINT NOT NULL REFERENCES usage_kinds (id),
    requests BIGINT NOT NULL,
    received BIGINT NOT NULL,
    sent BIGINT NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (hour, key_id, environment_id, kind_id)
);
CREATE INDEX usage_of_key ON usage (key_id, hour);
CREATE INDEX usage_of_environment ON usage (environment_id, hour);

CREATE TABLE usage_totals (
    hour BIGINT NOT NULL,
    environment_id BIGINT NOT NULL,
    kind_id BIGINT NOT NULL REFERENCES usage_kinds (id),
    requests BIGINT NOT NULL,
    received BIGINT NOT NULL,
    sent BIGINT NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (hour, environment_id, kind_id)
);
CREATE INDEX usage_totals_of_environment ON usage_totals (environment_id, hour);

CREATE TABLE quotas (
    subject TEXT COLLATE "C" NOT NULL,
    period TEXT COLLATE "C" NOT NULL,
    begins BIGINT NOT NULL,
    granted BIGINT NOT NULL,
    told BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (subject, period, begins)
);

CREATE TABLE webhook_messages (
    id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    message TEXT COLLATE "C" NOT NULL,
    webhook TEXT COLLATE "C" NOT NULL,
    event TEXT COLLATE "C" NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    attempts BIGINT NOT NULL,
    due BIGINT NOT NULL,
    attempted BIGINT,
    status BIGINT,
    error TEXT COLLATE "C",
    number BIGINT GENERATED ALWAYS AS (id) STORED
);
CREATE INDEX webhook_messages_waiting ON webhook_messages (webhook, due, id)
    WHERE state = 'waiting';
CREATE INDEX webhook_messages_by_id ON webhook_messages (number);
CREATE INDEX webhook_messages_by_created ON webhook_messages (created, number);

CREATE TABLE expiry_notices (
    key_id BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    days BIGINT NOT NULL,
    PRIMARY KEY (key_id, expires, days)
);
CREATE INDEX expiry_notices_by_expires ON expiry_notices (expires);

CREATE TABLE key_networks (
    key_id BIGINT NOT NULL,
    network TEXT COLLATE "C" NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (key_id, network)
);

CREATE TABLE networks_noted (
    since BIGINT NOT NULL
);

INSERT INTO counters VALUES ('account', 0), ('key', 0), ('membership', 0);
INSERT INTO networks_noted VALUES (CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT));

-- What each revision has changed, in their order: kind is a, e, k, m or s, for an account, environment,
-- key, membership (id and other are its account and environment) or setting. nonce is the same for all
-- of a revision.
CREATE TABLE changes (
    revision BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    nonce UUID NOT NULL,
    time BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    id BIGINT,
    other BIGINT,
    name TEXT COLLATE "C",
    PRIMARY KEY (revision, ordinal)
);
CREATE INDEX changes_by_time ON changes (time);

-- The nodes that follow them. beat grows as long as a node is alive, and applied and settled say how far
-- it is. There is no index on what a beat changes, and room in each page for its next version.
CREATE TABLE nodes (
    id UUID PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    incarnation BIGINT NOT NULL,
    beat BIGINT NOT NULL,
    applied BIGINT NOT NULL,
    settled BIGINT NOT NULL,
    lease_ms BIGINT NOT NULL,
    seen BIGINT NOT NULL,
    left_at BIGINT
) WITH (fillfactor = 20);

INSERT INTO changes (revision, ordinal, nonce, time, kind)
    VALUES (0, 0, gen_random_uuid(), CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT), '0');
