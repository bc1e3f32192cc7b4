-- SPDX-License-Identifier: Apache-2.0
-- Least-privilege accounts for mod_authn_apikey. Run it in the database that holds the
-- tables, after schema.sql, as an account that may create users:
--     mysql DATABASE < grants.sql
-- The accounts are created locked and without a password; give each one you use a
-- password and unlock it:
--     ALTER USER apikey_check@localhost IDENTIFIED BY '…' ACCOUNT UNLOCK;
-- Idempotent: an account that exists keeps its password and its lock.

-- For the server that checks keys (DBDParams of mod_dbd): reads keys, writes down their use,
-- prunes the change feed.
CREATE USER IF NOT EXISTS apikey_check@localhost ACCOUNT LOCK;
GRANT SELECT ON api_keys TO apikey_check@localhost;
GRANT SELECT ON api_key_secrets TO apikey_check@localhost;
GRANT SELECT ON api_key_settings TO apikey_check@localhost;
GRANT SELECT, DELETE ON api_key_changes TO apikey_check@localhost;
GRANT SELECT, INSERT, UPDATE ON api_key_usage TO apikey_check@localhost;
GRANT SELECT, INSERT, UPDATE ON api_key_usage_writers TO apikey_check@localhost;

-- For creating, listing and revoking keys (apikeyctl).
CREATE USER IF NOT EXISTS apikey_manage@localhost ACCOUNT LOCK;
GRANT SELECT, INSERT, UPDATE ON api_keys TO apikey_manage@localhost;
GRANT SELECT, INSERT, UPDATE ON api_key_secrets TO apikey_manage@localhost;
GRANT SELECT ON api_key_usage TO apikey_manage@localhost;
GRANT SELECT ON api_key_settings TO apikey_manage@localhost;
GRANT SELECT ON api_key_team_members TO apikey_manage@localhost;
GRANT SELECT ON api_key_list TO apikey_manage@localhost;

-- Owner of what the database runs on our behalf; nobody ever logs in as it.
CREATE USER IF NOT EXISTS apikey_definer@localhost ACCOUNT LOCK;
GRANT SELECT, INSERT, UPDATE, DELETE ON api_keys TO apikey_definer@localhost;
GRANT SELECT, INSERT, UPDATE, DELETE ON api_key_secrets TO apikey_definer@localhost;
GRANT SELECT ON api_key_settings TO apikey_definer@localhost;
