-- SPDX-License-Identifier: Apache-2.0
-- As it was in version 1, for the tests of upgrading.
-- The tables of mod_authn_apikey, for MariaDB 10.11+ and MySQL 8.0.29+.
-- Idempotent: running it again changes nothing that is there. Load it into the
-- database of your choice with `apikeyctl init` or `mysql DATABASE < schema.sql`.
-- All times are UTC. Owner ids are compared byte for byte.

SET NAMES utf8mb4;
SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION';

-- A key is what an owner holds: one row, one id, one description.
CREATE TABLE IF NOT EXISTS api_keys (
    id          BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    owner_type  ENUM('user', 'team') NOT NULL,
    owner_id    VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    description VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '',
    scopes      VARCHAR(1000) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT ''
                COMMENT 'RFC 6750 scope-tokens, one space between two',
    last_four   CHAR(4) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
    is_public   BOOLEAN NOT NULL DEFAULT FALSE,
    created_at  DATETIME(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3)),
    created_by  VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL
                DEFAULT (LEFT(USER(), 255)),
    expires_at  DATETIME(3) NULL COMMENT 'NULL: never',
    revoked_at  DATETIME(3) NULL COMMENT 'any value: revoked',
    revoked_by  VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    PRIMARY KEY (id),
    -- an owner's keys, newest first, by walking this index backwards
    KEY api_keys_owner (owner_type, owner_id, id),
    CONSTRAINT api_keys_owner_id CHECK (
        owner_id <> '' AND owner_id NOT LIKE ' %' AND owner_id NOT LIKE '% '
        AND owner_id NOT REGEXP '[[:cntrl:]]'),
    -- REMOTE_USER=team:x must always be the team x
    CONSTRAINT api_keys_user_is_no_team CHECK (
        owner_type <> 'user' OR owner_id NOT LIKE 'team:%'),
    CONSTRAINT api_keys_scopes CHECK (
        scopes NOT REGEXP '[^ -~]' AND INSTR(scopes, '"') = 0
        AND INSTR(scopes, CHAR(92 USING ascii)) = 0
        AND scopes NOT LIKE ' %' AND scopes NOT LIKE '% ' AND scopes NOT LIKE '%  %'
        AND CONCAT(' ', scopes, ' ') NOT LIKE '% * %')
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- A secret is what is presented on the wire; only its digest is stored.
CREATE TABLE IF NOT EXISTS api_key_secrets (
    digest      BINARY(32) NOT NULL
                COMMENT 'SHA-256, or HMAC-SHA-256 with a pepper, of the key string',
    key_id      BIGINT UNSIGNED NOT NULL,
    pepper      CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NULL
                COMMENT 'fingerprint of the pepper; NULL: none',
    last_four   CHAR(4) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
    created_at  DATETIME(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3)),
    expires_at  DATETIME(3) NULL COMMENT 'NULL: as long as the key',
    PRIMARY KEY (digest),
    KEY api_key_secrets_key (key_id),
    CONSTRAINT api_key_secrets_of_key FOREIGN KEY (key_id)
        REFERENCES api_keys (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- No foreign key: one key deleted meanwhile must not fail a whole batch of counts.
CREATE TABLE IF NOT EXISTS api_key_usage (
    key_id       BIGINT UNSIGNED NOT NULL,
    last_used_at DATETIME(3) NOT NULL,
    last_used_ip VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
    use_count    BIGINT UNSIGNED NOT NULL DEFAULT 0,
    PRIMARY KEY (key_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS api_key_team_members (
    team_id         VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    user_id         VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    manage_api_keys BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (team_id, user_id),
    KEY api_key_team_members_user (user_id),
    CONSTRAINT api_key_team_members_ids CHECK (
        team_id <> '' AND team_id NOT LIKE ' %' AND team_id NOT LIKE '% '
        AND team_id NOT REGEXP '[[:cntrl:]]'
        AND user_id <> '' AND user_id NOT LIKE ' %' AND user_id NOT LIKE '% '
        AND user_id NOT REGEXP '[[:cntrl:]]' AND user_id NOT LIKE 'team:%')
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- The last batch of uses that each server has written: a batch written again has no effect.
CREATE TABLE IF NOT EXISTS api_key_usage_writers (
    writer     CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    sequence   BIGINT UNSIGNED NOT NULL,
    written_at DATETIME(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3)),
    PRIMARY KEY (writer)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- The change feed: a row for each change of a key, by which servers forget what they remember
-- of it. Filled by the triggers below, pruned by the servers.
CREATE TABLE IF NOT EXISTS api_key_changes (
    id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    key_id     BIGINT UNSIGNED NOT NULL,
    changed_at DATETIME(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3)),
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS api_key_settings (
    name  VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    value VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

INSERT IGNORE INTO api_key_settings (name, value) VALUES
    ('schema_version', '1'),
    ('instance', UUID()),
    ('prefix', 'ak'),
    ('pepper', ''),
    ('teams_table', 'api_key_team_members'),
    ('feed', 'none');

-- Every key with its state and its use. The literals carry a collation of their
-- own so that `WHERE status = 'valid'` works whatever the connection's is.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW api_key_list AS
SELECT k.id, k.owner_type, k.owner_id, k.description, k.scopes, k.last_four,
       k.is_public, k.created_at, k.created_by, k.expires_at, k.revoked_at, k.revoked_by,
       CASE WHEN k.revoked_at IS NOT NULL THEN _ascii'revoked' COLLATE ascii_bin
            WHEN k.expires_at < UTC_TIMESTAMP(3) THEN _ascii'expired' COLLATE ascii_bin
            ELSE _ascii'valid' COLLATE ascii_bin END AS status,
       u.last_used_at, u.last_used_ip, COALESCE(u.use_count, 0) AS use_count
  FROM api_keys k LEFT JOIN api_key_usage u ON u.key_id = k.id;

-- The triggers of the change feed. Where binary logging is on, an account without SUPER may not
-- create them (error 1419): load this as one that may, or set log_bin_trust_function_creators=1
-- for the moment. Without them everything works, but a key that is revoked is refused only when
-- ApiKeyCacheTTL has passed. INSERT … VALUES, one row at a time: INSERT … SELECT would hold the
-- AUTO_INCREMENT lock for as long as a mass update runs. A new key needs no row: nobody has
-- presented it before. Deleting a key deletes its secrets without their triggers; the key's own
-- says all there is to say.
CREATE TRIGGER IF NOT EXISTS api_keys_feed_update AFTER UPDATE ON api_keys
    FOR EACH ROW INSERT INTO api_key_changes (key_id) VALUES (OLD.id);
CREATE TRIGGER IF NOT EXISTS api_keys_feed_delete AFTER DELETE ON api_keys
    FOR EACH ROW INSERT INTO api_key_changes (key_id) VALUES (OLD.id);
CREATE TRIGGER IF NOT EXISTS api_key_secrets_feed_update AFTER UPDATE ON api_key_secrets
    FOR EACH ROW INSERT INTO api_key_changes (key_id) VALUES (OLD.key_id);
CREATE TRIGGER IF NOT EXISTS api_key_secrets_feed_delete AFTER DELETE ON api_key_secrets
    FOR EACH ROW INSERT INTO api_key_changes (key_id) VALUES (OLD.key_id);

UPDATE api_key_settings SET value = 'triggers' WHERE name = 'feed';
COMMIT; -- for a server with autocommit=0
