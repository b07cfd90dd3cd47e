-- Messages to webhooks, written in the transaction of what they tell. state is waiting, delivered or
-- failed; due is when the next attempt is to be made.
CREATE TABLE webhook_messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    message TEXT NOT NULL,
    webhook TEXT NOT NULL,
    event TEXT NOT NULL,
    body TEXT NOT NULL,
    created INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    due INTEGER NOT NULL,
    attempted INTEGER,
    status INTEGER,
    error TEXT,
    number INTEGER GENERATED ALWAYS AS (id) VIRTUAL
) STRICT;
CREATE INDEX webhook_messages_waiting ON webhook_messages (webhook, due, id) WHERE state = 'waiting';
CREATE INDEX webhook_messages_by_id ON webhook_messages (number);
CREATE INDEX webhook_messages_by_created ON webhook_messages (created, number);

-- What webhooks were told already: within how many days a key expires, and how many percent of a
-- quota are used.
CREATE TABLE expiry_notices (
    key_id INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    days INTEGER NOT NULL,
    PRIMARY KEY (key_id, expires, days)
) STRICT, WITHOUT ROWID;
CREATE INDEX expiry_notices_by_expires ON expiry_notices (expires);
ALTER TABLE quotas ADD COLUMN told INTEGER NOT NULL DEFAULT 0;

-- From which networks a key was used last: for advice on its limits. The network * stands for more than
-- were counted.
CREATE TABLE key_networks (
    key_id INTEGER NOT NULL,
    network TEXT NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (key_id, network)
) STRICT, WITHOUT ROWID;
-- Since when they are noted.
CREATE TABLE networks_noted (since INTEGER NOT NULL) STRICT;
INSERT INTO networks_noted VALUES (CAST(strftime('%s', 'now') AS INTEGER) * 1000);
