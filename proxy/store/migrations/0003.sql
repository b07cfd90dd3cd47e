-- Logins to the console. digest is of the token in the browser's cookie.
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    key_id INTEGER NOT NULL REFERENCES keys (id),
    secret_hash BLOB NOT NULL,
    created INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_of_key ON sessions (key_id);
CREATE INDEX sessions_by_last_seen ON sessions (last_seen);
