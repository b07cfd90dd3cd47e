-- Limits of keys, environments and accounts: JSON as in the admin API, NULL for none.
ALTER TABLE accounts ADD COLUMN limits TEXT;
ALTER TABLE environments ADD COLUMN limits TEXT;
ALTER TABLE keys ADD COLUMN limits TEXT;

-- What was granted of quotas: subject is the id of their holder in the API, period is day or month,
-- begins when that began.
CREATE TABLE quotas (
    subject TEXT NOT NULL,
    period TEXT NOT NULL,
    begins INTEGER NOT NULL,
    granted INTEGER NOT NULL,
    PRIMARY KEY (subject, period, begins)
) STRICT, WITHOUT ROWID;
