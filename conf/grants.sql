-- SPDX-License-Identifier: Apache-2.0
-- Least-privilege accounts for mod_authn_apikey. Run it in the database that holds the
-- tables, after schema.sql, as an account that may create users:
--     mysql DATABASE < grants.sql
-- The accounts are created locked and without a password; give each one you use a
-- password and unlock it:
--     ALTER USER apikey_check@localhost IDENTIFIED BY '…' ACCOUNT UNLOCK;
-- Idempotent: an account that exists keeps its password and its lock.

-- For a server that checks keys (DBDParams of mod_dbd): reads keys, writes down their use,
-- prunes the change feed.
CREATE USER IF NOT EXISTS apikey_check@localhost ACCOUNT LOCK;
GRANT SELECT ON api_keys TO apikey_check@localhost;
GRANT SELECT ON api_key_secrets TO apikey_check@localhost;
GRANT SELECT ON api_key_settings TO apikey_check@localhost;
GRANT SELECT, DELETE ON api_key_changes TO apikey_check@localhost;
GRANT SELECT, INSERT, UPDATE ON api_key_usage TO apikey_check@localhost;
GRANT SELECT, INSERT, UPDATE ON api_key_usage_writers TO apikey_check@localhost;

-- For a server that also lets people manage keys (SetHandler apikey-manage), and for apikeyctl
-- and the procedures in everyday use: all of the above, and to create, describe, rotate and revoke
-- keys. It can neither change whose a key is or what it may do, nor lengthen the life of a key,
-- nor delete one, nor write or delete what is on record. But who has its password can make a key
-- for anybody with any scopes, and have a secret work again that a rotation ended: the rules of the
-- API are the server's, not the database's. A site whose teams are in a table of its
-- own (ApiKeyTeamsTable) grants SELECT on that too.
CREATE USER IF NOT EXISTS apikey_manage@localhost ACCOUNT LOCK;
GRANT SELECT, INSERT, UPDATE (description, last_four, revoked_at, revoked_by)
    ON api_keys TO apikey_manage@localhost;
GRANT SELECT, INSERT, UPDATE (expires_at) ON api_key_secrets TO apikey_manage@localhost;
GRANT SELECT ON api_key_settings TO apikey_manage@localhost;
GRANT SELECT, DELETE ON api_key_changes TO apikey_manage@localhost;
GRANT SELECT, INSERT, UPDATE ON api_key_usage TO apikey_manage@localhost;
GRANT SELECT, INSERT, UPDATE ON api_key_usage_writers TO apikey_manage@localhost;
GRANT SELECT ON api_key_team_members TO apikey_manage@localhost;
GRANT SELECT, INSERT, UPDATE ON api_key_denials TO apikey_manage@localhost;
GRANT SELECT ON api_key_events TO apikey_manage@localhost;
GRANT SELECT ON api_key_list TO apikey_manage@localhost;
GRANT EXECUTE ON PROCEDURE api_key_create TO apikey_manage@localhost;
GRANT EXECUTE ON PROCEDURE api_key_rotate TO apikey_manage@localhost;
GRANT EXECUTE ON PROCEDURE api_key_revoke TO apikey_manage@localhost;
GRANT EXECUTE ON PROCEDURE api_key_mint TO apikey_manage@localhost;
GRANT EXECUTE ON PROCEDURE api_key_minting TO apikey_manage@localhost;

-- For an administrator: all that apikeyctl does but init, and plain SQL on keys. No server needs
-- it.
CREATE USER IF NOT EXISTS apikey_admin@localhost ACCOUNT LOCK;
GRANT SELECT, INSERT, UPDATE, DELETE ON api_keys TO apikey_admin@localhost;
GRANT SELECT, INSERT, UPDATE, DELETE ON api_key_secrets TO apikey_admin@localhost;
GRANT SELECT, INSERT, UPDATE ON api_key_settings TO apikey_admin@localhost;
GRANT SELECT ON api_key_changes TO apikey_admin@localhost;
GRANT SELECT, DELETE ON api_key_usage TO apikey_admin@localhost;
GRANT SELECT, INSERT, UPDATE, DELETE ON api_key_team_members TO apikey_admin@localhost;
GRANT SELECT, DELETE ON api_key_denials TO apikey_admin@localhost;
GRANT SELECT, DELETE ON api_key_events TO apikey_admin@localhost;
GRANT SELECT ON api_key_list TO apikey_admin@localhost;
GRANT EXECUTE ON PROCEDURE api_key_create TO apikey_admin@localhost;
GRANT EXECUTE ON PROCEDURE api_key_rotate TO apikey_admin@localhost;
GRANT EXECUTE ON PROCEDURE api_key_revoke TO apikey_admin@localhost;
GRANT EXECUTE ON PROCEDURE api_key_mint TO apikey_admin@localhost;
GRANT EXECUTE ON PROCEDURE api_key_minting TO apikey_admin@localhost;

-- What the triggers need, for an account that nobody ever logs in as. They belong to whoever loads
-- schema.sql; to have them belong to this one, load it once more like this:
--     sed 's/^CREATE TRIGGER/CREATE DEFINER = apikey_definer@localhost TRIGGER/' schema.sql |
--         mysql DATABASE
CREATE USER IF NOT EXISTS apikey_definer@localhost ACCOUNT LOCK;
GRANT SELECT, UPDATE (revoked_at, revoked_by), TRIGGER ON api_keys TO apikey_definer@localhost;
GRANT SELECT, TRIGGER ON api_key_secrets TO apikey_definer@localhost;
GRANT INSERT ON api_key_changes TO apikey_definer@localhost;
GRANT SELECT, INSERT, UPDATE (actor, account, client, detail), TRIGGER
    ON api_key_events TO apikey_definer@localhost;
GRANT SELECT, TRIGGER ON api_key_denials TO apikey_definer@localhost;
GRANT TRIGGER ON api_key_settings TO apikey_definer@localhost;
