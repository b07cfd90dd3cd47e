-- Rights of the roles of a Wardgate store. Run this as its owner, after each `wardgate store migrate` too.
-- The roles have to exist: CREATE ROLE wardgate_admin LOGIN PASSWORD '...', and so on.

GRANT USAGE ON SCHEMA wardgate TO wardgate_admin, wardgate_gateway;

-- For nodes with an admin server, and for `wardgate init`: everything but the schema.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA wardgate TO wardgate_admin;

-- For nodes without one: they read, and write what they count. Who takes over such a node can make no key.
GRANT SELECT ON ALL TABLES IN SCHEMA wardgate TO wardgate_gateway;
GRANT INSERT, UPDATE ON wardgate.nodes, wardgate.usage_kinds, wardgate.usage, wardgate.usage_totals
    TO wardgate_gateway;
GRANT UPDATE ON wardgate.uses TO wardgate_gateway;
GRANT INSERT, UPDATE, DELETE ON wardgate.key_networks, wardgate.quotas, wardgate.rate_grants
    TO wardgate_gateway;
-- That a quota is used up is told to webhooks.
GRANT INSERT ON wardgate.webhook_messages TO wardgate_gateway;
-- To take the lock under which quotas are granted; the column can have no other value.
GRANT UPDATE (id) ON wardgate.meta TO wardgate_gateway;
