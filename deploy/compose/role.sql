-- Run once, by the image of PostgreSQL, when it makes the database: the role of the gateways, which may do
-- what it likes in a database of its own, and nothing elsewhere.
\set password `cat /run/secrets/wardgate-password`
CREATE ROLE wardgate LOGIN PASSWORD :'password';
CREATE DATABASE wardgate OWNER wardgate;
