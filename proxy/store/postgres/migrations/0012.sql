-- What nodes were granted of rates, in microseconds since the epoch by the clock of the database: the
-- rate by which it was counted, the theoretical arrival time (proxy/domain/gcra.py), and what the last
-- question was granted. Unlogged, because it is written each second and worth nothing a second later:
-- after a crash or on a standby that takes over, rates are full, as they are after a restart.
CREATE UNLOGGED TABLE rate_grants (
    subject TEXT COLLATE "C" PRIMARY KEY,
    count BIGINT NOT NULL,
    period BIGINT NOT NULL,
    burst BIGINT NOT NULL,
    arrival BIGINT NOT NULL,
    asked BIGINT NOT NULL,
    granted BIGINT NOT NULL
) WITH (fillfactor = 50);
