-- Usage: sums of requests. hour is when the hour of their ends begins. key_id and environment_id are
-- 0 where there was none; they are no references, since usage outlives what was used. status is
-- the hundreds of the status, reason is empty for requests that were neither refused nor failed.
CREATE TABLE usage_kinds (
    id INTEGER PRIMARY KEY,
    route TEXT NOT NULL,
    method TEXT NOT NULL,
    status INTEGER NOT NULL,
    reason TEXT NOT NULL,
    UNIQUE (route, method, status, reason)
) STRICT;

-- The hour is first: all that is added is then in the last pages, and what is too old in the first.
CREATE TABLE usage (
    hour INTEGER NOT NULL,
    key_id INTEGER NOT NULL,
    environment_id INTEGER NOT NULL,
    kind_id INTEGER NOT NULL REFERENCES usage_kinds (id),
    requests INTEGER NOT NULL,
    received INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    seconds REAL NOT NULL,
    PRIMARY KEY (hour, key_id, environment_id, kind_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_of_key ON usage (key_id, hour);
CREATE INDEX usage_of_environment ON usage (environment_id, hour);

-- The same, summed up over all keys: what most pages show, whatever the number of keys.
CREATE TABLE usage_totals (
    hour INTEGER NOT NULL,
    environment_id INTEGER NOT NULL,
    kind_id INTEGER NOT NULL REFERENCES usage_kinds (id),
    requests INTEGER NOT NULL,
    received INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    seconds REAL NOT NULL,
    PRIMARY KEY (hour, environment_id, kind_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_totals_of_environment ON usage_totals (environment_id, hour);

CREATE INDEX keys_of_account ON keys (account_id) WHERE account_id IS NOT NULL;
