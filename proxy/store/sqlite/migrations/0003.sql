-- Logins to the console. digest is of the token in the browser's cookie. A session belongs to a key, or
-- to a person whom an OpenID provider knows by the value of a claim.
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    key_id INTEGER REFERENCES keys (id),
    secret_hash BLOB,
    created INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL,
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    issuer TEXT,
    claim TEXT,
    claimed TEXT,
    CHECK ((key_id IS NULL) <> (claimed IS NULL))
) STRICT;
CREATE INDEX sessions_of_account ON sessions (account_id);
CREATE INDEX sessions_of_key ON sessions (key_id);
CREATE INDEX sessions_of_person ON sessions (claimed);
CREATE INDEX sessions_by_last_seen ON sessions (last_seen);

-- Who acted in an account without a key.
ALTER TABLE audit ADD COLUMN identity TEXT;
