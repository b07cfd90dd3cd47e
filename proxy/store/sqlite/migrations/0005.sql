-- Lists of keys by their last use, role and access key (proxy/store/sql/listing.py); the audit log
-- by time, and that of one account or key. NULL counts as the least.
ALTER TABLE keys ADD COLUMN by_last_used INTEGER
    GENERATED ALWAYS AS (coalesce(last_used, 0)) VIRTUAL;
CREATE INDEX keys_by_last_used ON keys (by_last_used, number) WHERE state IN ('active', 'inactive');
CREATE INDEX keys_by_role ON keys (role, number) WHERE state IN ('active', 'inactive');
CREATE INDEX keys_by_access_key ON keys (access_key, number) WHERE state IN ('active', 'inactive');
CREATE INDEX keys_of_owner_by_last_used ON keys (owner_id, by_last_used, number)
    WHERE state IN ('active', 'inactive');
CREATE INDEX keys_of_owner_by_role ON keys (owner_id, role, number)
    WHERE state IN ('active', 'inactive');
CREATE INDEX keys_of_owner_by_access_key ON keys (owner_id, access_key, number)
    WHERE state IN ('active', 'inactive');
CREATE INDEX audit_by_time ON audit (time, number);
CREATE INDEX audit_by_account ON audit (account, number);
CREATE INDEX audit_by_key ON audit (key, number);
