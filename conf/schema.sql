-- SPDX-License-Identifier: Apache-2.0
-- The tables, triggers and procedures of mod_authn_apikey, for MariaDB 10.11+ and MySQL 8.0.29+.
-- Load it into the database of your choice with `apikeyctl init` or `mysql DATABASE < schema.sql`,
-- as an account that stays: the triggers run with its rights, and nothing can be changed any more
-- once it is dropped (error 1449), until this file is loaded again by another one.
-- Idempotent: running it again changes no row and no grant, brings the tables of an older version
-- up to date, and makes the triggers again without a moment without them.
-- All times are UTC. Owner ids are compared byte for byte.

SET NAMES utf8mb4;
-- While this waits for a transaction that somebody holds open, everybody else waits behind it: not
-- for long. Error 1205 says so; then load it again.
SET SESSION lock_wait_timeout = 5;
SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION';

-- What SQL and apikeyctl mint by, and what is installed.
CREATE TABLE IF NOT EXISTS api_key_settings (
    name  VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    value VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Tables of an older version get what is new, each step by itself: one that was broken off goes on.
-- Those of a newer version are left alone.
-- 1 to 2: the idempotency key of a rotation.
DROP PROCEDURE IF EXISTS api_key_migrate;
DELIMITER //
CREATE PROCEDURE api_key_migrate() SQL SECURITY INVOKER MODIFIES SQL DATA
BEGIN
    IF (SELECT value + 0 FROM api_key_settings WHERE name = 'schema_version') > 2 THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT =
            'the tables are of a newer version; use the schema.sql that came with them';
    END IF;
    IF EXISTS (SELECT 1 FROM information_schema.TABLES
                WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'api_key_secrets')
       AND NOT EXISTS (SELECT 1 FROM information_schema.COLUMNS
                        WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'api_key_secrets'
                          AND COLUMN_NAME = 'request') THEN
        ALTER TABLE api_key_secrets
            ADD COLUMN request VARBINARY(255) NULL
                COMMENT 'idempotency key of the rotation that made it';
    END IF;
END//
DELIMITER ;
CALL api_key_migrate();
DROP PROCEDURE api_key_migrate;

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
    request     VARBINARY(255) NULL COMMENT 'idempotency key of the rotation that made it',
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

-- The audit trail, written by the triggers below and by nothing else, in the transaction of the
-- change. It outlives the keys it tells of. Rows may be deleted when they are old.
CREATE TABLE IF NOT EXISTS api_key_events (
    id          BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    happened_at DATETIME(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3)),
    event       ENUM('created', 'imported', 'updated', 'rotated', 'revoked', 'deleted', 'pruned',
                     'denied') NOT NULL,
    key_id      BIGINT UNSIGNED NULL,
    owner_type  ENUM('user', 'team') NULL,
    owner_id    VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    actor       VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT ''
                COMMENT 'whom the session acts for (@apikey_actor), else the account',
    account     VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT ''
                COMMENT 'USER()',
    client      VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT ''
                COMMENT 'whose request it was (@apikey_client), else the host of the account',
    detail      VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '',
    PRIMARY KEY (id),
    KEY api_key_events_key (key_id, id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- The last attempt of each actor that was refused and put on record: one a minute is.
CREATE TABLE IF NOT EXISTS api_key_denials (
    actor      VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    denied_at  DATETIME(3) NOT NULL,
    what       VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    owner_type ENUM('user', 'team') NULL,
    owner_id   VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    key_id     BIGINT UNSIGNED NULL,
    PRIMARY KEY (actor)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

INSERT IGNORE INTO api_key_settings (name, value) VALUES
    ('schema_version', '2'),
    ('instance', UUID()),
    ('prefix', 'ak'),
    ('pepper', ''),
    ('teams_table', 'api_key_team_members'),
    ('feed', 'none'),
    ('events', 'none');

UPDATE api_key_settings SET value = '2' WHERE name = 'schema_version';

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

-- For an administrator who has nothing but a mysql prompt. They run with the rights of whoever
-- calls them. Arguments are taken as text of any length and judged inside, as a session that is
-- not strict would have cut or changed them before.
--
-- The secret must not get into any log of the server: a statement that writes holds only its
-- digest, for local variables are written to the binary log with their values; it is kept in a
-- user variable, from which the last statement shows it, and which is then emptied.
-- Made with IF NOT EXISTS: to drop them would take EXECUTE from those it was granted to.
-- In a regular expression `$` also matches before a line feed at the end: hence [^...], which does
-- not.
-- USER() is utf8mb3, which MariaDB 11 does not mix with an @apikey_actor beyond it: hence CONVERT.
DELIMITER //

-- A secret, its digest and its last four characters; to be called by api_key_create and
-- api_key_rotate. The bytes 248 to 255 would favour some characters: they are not used.
CREATE PROCEDURE IF NOT EXISTS api_key_mint(
    IN p_prefix VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_owner_type VARCHAR(4) CHARACTER SET ascii COLLATE ascii_bin,
    OUT p_secret VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
    OUT p_digest BINARY(32),
    OUT p_last_four CHAR(4) CHARACTER SET ascii COLLATE ascii_bin)
    SQL SECURITY INVOKER NO SQL
BEGIN
    DECLARE base62 CHAR(62) CHARACTER SET ascii COLLATE ascii_bin
        DEFAULT '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
    DECLARE text VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin
        DEFAULT CONCAT(p_prefix, '_', LEFT(p_owner_type, 1), '_');
    DECLARE check_digits CHAR(6) CHARACTER SET ascii COLLATE ascii_bin DEFAULT '';
    DECLARE random VARBINARY(64);
    DECLARE i, byte, picked INT UNSIGNED DEFAULT 0;
    DECLARE number BIGINT UNSIGNED;
    DECLARE EXIT HANDLER FOR 1305
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT =
            'this server has no RANDOM_BYTES(): create and rotate keys with apikeyctl';

    WHILE picked < 32 DO
        IF i MOD 64 = 0 THEN
            SET random = RANDOM_BYTES(64);
        END IF;
        SET byte = ORD(SUBSTRING(random, i MOD 64 + 1, 1));
        IF byte < 248 THEN
            SET text = CONCAT(text, SUBSTRING(base62, byte MOD 62 + 1, 1));
            SET picked = picked + 1;
        END IF;
        SET i = i + 1;
    END WHILE;
    SET number = CRC32(text);
    SET i = 0;
    WHILE i < 6 DO
        SET check_digits = CONCAT(SUBSTRING(base62, number MOD 62 + 1, 1), check_digits);
        SET number = number DIV 62;
        SET i = i + 1;
    END WHILE;
    SET p_secret = CONCAT(text, check_digits);
    SET p_digest = UNHEX(SHA2(p_secret, 256));
    SET p_last_four = RIGHT(p_secret, 4);
END//

-- The prefix that keys are minted with.
CREATE PROCEDURE IF NOT EXISTS api_key_minting(
    OUT p_prefix VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin)
    SQL SECURITY INVOKER READS SQL DATA
BEGIN
    DECLARE prefix VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
        DEFAULT (SELECT value FROM api_key_settings WHERE name = 'prefix');

    IF EXISTS (SELECT 1 FROM api_key_settings WHERE name = 'pepper' AND value <> '') THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT =
            'a pepper is in use, which SQL does not know: create and rotate keys with apikeyctl';
    END IF;
    IF COALESCE(prefix REGEXP '[^a-z0-9]' OR CHAR_LENGTH(prefix) NOT BETWEEN 2 AND 20, TRUE) THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT =
            'prefix of api_key_settings: 2 to 20 of a-z and 0-9';
    END IF;
    SET p_prefix = prefix;
END//

-- A new key. expires_at is YYYY-MM-DD[ HH:MM:SS[.mmm]] in UTC, or NULL for never.
CREATE PROCEDURE IF NOT EXISTS api_key_create(
    IN p_owner_type LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    IN p_owner_id LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    IN p_description LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    IN p_scopes LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    IN p_expires_at LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin)
    SQL SECURITY INVOKER MODIFIES SQL DATA
BEGIN
    DECLARE expires DATETIME(3);
    DECLARE prefix VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE last_four CHAR(4) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE digest BINARY(32);
    DECLARE new_id BIGINT UNSIGNED;
    DECLARE ours BOOLEAN DEFAULT FALSE; -- the transaction
    DECLARE open BOOLEAN DEFAULT FALSE;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        DECLARE CONTINUE HANDLER FOR 1305 BEGIN END; -- a deadlock has undone it all
        SET @api_key_secret = NULL;
        IF ours THEN
            ROLLBACK;
        ELSEIF open THEN
            ROLLBACK TO SAVEPOINT api_key_change;
        END IF;
        RESIGNAL;
    END;

    IF COALESCE(p_owner_type NOT IN ('user', 'team') OR CHAR_LENGTH(p_owner_type) <> 4, TRUE) THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'owner_type: user or team';
    END IF;
    IF COALESCE(CHAR_LENGTH(p_owner_id) NOT BETWEEN 1 AND 255, TRUE) THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'owner_id: 1 to 255 characters';
    END IF;
    IF p_owner_id REGEXP '[[:cntrl:]]' OR p_owner_id LIKE ' %' OR p_owner_id LIKE '% ' THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT =
            'owner_id: no control characters, and no space at its ends';
    END IF;
    IF p_owner_type = 'user' AND p_owner_id LIKE 'team:%' THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT =
            'owner_id: a user id must not begin with team:';
    END IF;
    IF CHAR_LENGTH(p_description) > 255 THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'description: at most 255 characters';
    END IF;
    IF LENGTH(p_scopes) > 1000 THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'scopes: at most 1000 bytes';
    END IF;
    IF p_scopes REGEXP '[^ -~]' OR INSTR(p_scopes, '"') OR INSTR(p_scopes, CHAR(92 USING utf8mb4))
       OR p_scopes LIKE ' %' OR p_scopes LIKE '% ' OR p_scopes LIKE '%  %'
       OR CONCAT(' ', p_scopes, ' ') LIKE '% * %' THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT =
            'scopes: words of printable ASCII but quote and backslash, one space between, no bare *';
    END IF;
    IF p_expires_at IS NOT NULL THEN
        BEGIN
            DECLARE CONTINUE HANDLER FOR SQLEXCEPTION SET expires = NULL;
            IF p_expires_at REGEXP
               '^[0-9]{4}-[0-9]{2}-[0-9]{2}( [0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,3})?)?$'
               AND p_expires_at NOT REGEXP '[^0-9 :.-]' THEN
                SET expires = CAST(p_expires_at AS DATETIME(3));
            END IF;
        END;
        IF expires IS NULL THEN
            SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT =
                'expires_at: YYYY-MM-DD[ HH:MM:SS[.mmm]] in UTC, or NULL for never';
        END IF;
    END IF;
    CALL api_key_minting(prefix);

    -- START TRANSACTION would commit the work of a caller who is in one.
    SAVEPOINT api_key_change;
    BEGIN
        DECLARE CONTINUE HANDLER FOR 1305 SET ours = TRUE; -- none is open: it was gone at once
        RELEASE SAVEPOINT api_key_change;
    END;
    IF ours THEN
        START TRANSACTION;
    ELSE
        SAVEPOINT api_key_change;
        SET open = TRUE;
    END IF;

    CALL api_key_mint(prefix, p_owner_type, @api_key_secret, digest, last_four);
    INSERT INTO api_keys (owner_type, owner_id, description, scopes, last_four, created_by,
                          expires_at)
    VALUES (p_owner_type, p_owner_id, COALESCE(p_description, ''), COALESCE(p_scopes, ''),
            last_four, LEFT(COALESCE(@apikey_actor, CONVERT(USER() USING utf8mb4)), 255), expires);
    SET new_id = LAST_INSERT_ID();
    INSERT INTO api_key_secrets (digest, key_id, last_four) VALUES (digest, new_id, last_four);
    IF ours THEN
        COMMIT;
    ELSE
        RELEASE SAVEPOINT api_key_change;
    END IF;
    SELECT new_id AS id, @api_key_secret AS api_key;
    SET @api_key_secret = NULL;
END//

-- A new secret for a key; the others end grace_seconds from now, or with 0 at once.
CREATE PROCEDURE IF NOT EXISTS api_key_rotate(
    IN p_id LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    IN p_grace_seconds LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin)
    SQL SECURITY INVOKER MODIFIES SQL DATA
BEGIN
    DECLARE the_id BIGINT UNSIGNED;
    DECLARE grace INT UNSIGNED;
    DECLARE kind VARCHAR(4) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE revoked, expired BOOLEAN;
    DECLARE key_expires DATETIME(3);
    DECLARE prefix VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE new_last_four CHAR(4) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE new_digest BINARY(32);
    DECLARE ours BOOLEAN DEFAULT FALSE; -- the transaction
    DECLARE open BOOLEAN DEFAULT FALSE;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        DECLARE CONTINUE HANDLER FOR 1305 BEGIN END; -- a deadlock has undone it all
        SET @api_key_secret = NULL;
        IF ours THEN
            ROLLBACK;
        ELSEIF open THEN
            ROLLBACK TO SAVEPOINT api_key_change;
        END IF;
        RESIGNAL;
    END;

    IF COALESCE(p_id REGEXP '[^0-9]' OR p_id LIKE '0%' OR CHAR_LENGTH(p_id) NOT BETWEEN 1 AND 18,
                TRUE) THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'id: the number of a key';
    END IF;
    IF COALESCE(p_grace_seconds REGEXP '[^0-9]' OR CHAR_LENGTH(p_grace_seconds) NOT BETWEEN 1 AND 7
                OR p_grace_seconds + 0 > 2592000, TRUE) THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT =
            'grace_seconds: 0 to 2592000, how long the old secret goes on working';
    END IF;
    SET the_id = p_id;
    SET grace = p_grace_seconds;
    CALL api_key_minting(prefix);

    SAVEPOINT api_key_change;
    BEGIN
        DECLARE CONTINUE HANDLER FOR 1305 SET ours = TRUE;
        RELEASE SAVEPOINT api_key_change;
    END;
    IF ours THEN
        -- Who has to wait does so before it begins: MySQL runs no handler when it is interrupted,
        -- and would leave the transaction open.
        SELECT k.owner_type INTO kind FROM api_keys k WHERE k.id = the_id FOR UPDATE;
        SET kind = NULL;
        START TRANSACTION;
    ELSE
        SAVEPOINT api_key_change;
        SET open = TRUE;
    END IF;

    -- The key first, as in every change: whoever changes its secrets first would wait for
    -- somebody who waits for them.
    SELECT k.owner_type, k.expires_at, k.revoked_at IS NOT NULL INTO kind, key_expires, revoked
      FROM api_keys k WHERE k.id = the_id FOR UPDATE;
    IF kind IS NULL THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'id: there is no such key';
    END IF;
    IF revoked THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'id: the key is revoked; make a new one';
    END IF;
    IF key_expires < UTC_TIMESTAMP(3) THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'id: the key is expired; make a new one';
    END IF;
    CALL api_key_mint(prefix, kind, @api_key_secret, new_digest, new_last_four);
    INSERT INTO api_key_secrets (digest, key_id, last_four)
    VALUES (new_digest, the_id, new_last_four);
    -- One that was promised an end before keeps it.
    IF grace = 0 THEN
        UPDATE api_key_secrets s
           SET s.expires_at = UTC_TIMESTAMP(3) - INTERVAL 1000 MICROSECOND
         WHERE s.key_id = the_id AND s.digest <> new_digest
           AND (s.expires_at IS NULL OR s.expires_at >= UTC_TIMESTAMP(3));
    ELSEIF (SELECT COUNT(*) FROM api_key_secrets s WHERE s.key_id = the_id
               AND (s.expires_at IS NULL OR s.expires_at >= UTC_TIMESTAMP(3))
               FOR UPDATE) > 5 THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT =
            'id: the key has 5 secrets that work; wait for one to end, or end them with grace 0';
    ELSE
        UPDATE api_key_secrets s
           SET s.expires_at = LEAST(UTC_TIMESTAMP(3) + INTERVAL grace SECOND,
                                    COALESCE(key_expires, '9999-12-31'))
         WHERE s.key_id = the_id AND s.digest <> new_digest AND s.expires_at IS NULL;
    END IF;
    UPDATE api_keys k SET k.last_four = new_last_four WHERE k.id = the_id;
    IF ours THEN
        COMMIT;
    ELSE
        RELEASE SAVEPOINT api_key_change;
    END IF;
    SELECT the_id AS id, @api_key_secret AS api_key;
    SET @api_key_secret = NULL;
END//

-- Ends a key for good. One that was revoked before keeps its first time.
CREATE PROCEDURE IF NOT EXISTS api_key_revoke(
    IN p_id LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin)
    SQL SECURITY INVOKER MODIFIES SQL DATA
BEGIN
    IF COALESCE(p_id REGEXP '[^0-9]' OR p_id LIKE '0%' OR CHAR_LENGTH(p_id) NOT BETWEEN 1 AND 18,
                TRUE) THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'id: the number of a key';
    END IF;
    UPDATE api_keys k
       SET k.revoked_at = UTC_TIMESTAMP(3),
           k.revoked_by = LEFT(COALESCE(@apikey_actor, CONVERT(USER() USING utf8mb4)), 255)
     WHERE k.id = CAST(p_id AS UNSIGNED) AND k.revoked_at IS NULL;
    IF ROW_COUNT() = 0 AND NOT EXISTS (SELECT 1 FROM api_keys k WHERE k.id = CAST(p_id AS UNSIGNED))
    THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'id: there is no such key';
    END IF;
END//
DELIMITER ;

-- The triggers: the change feed, the audit trail, and that a key that is revoked stays so.
-- Where binary logging is on, an account without SUPER may not create them (error 1419): load this
-- as one that may, or set log_bin_trust_function_creators=1 for the moment. Without them everything
-- works, but a key that is revoked is refused only when ApiKeyCacheTTL has passed, and nothing is
-- put on record; api_key_settings says 'none' for feed and events.
-- INSERT … VALUES, one row at a time: INSERT … SELECT would hold the AUTO_INCREMENT lock for as
-- long as a mass update runs. A new key needs no row in the feed: nobody has presented it before.
-- Deleting a key deletes its secrets without their triggers; the key's own says all there is to say.

-- Whether we may: nothing is dropped that could not be made again.
DROP TRIGGER IF EXISTS api_key_settings_probe;
CREATE TRIGGER api_key_settings_probe BEFORE DELETE ON api_key_settings FOR EACH ROW DO 0;
DROP TRIGGER api_key_settings_probe;

-- Nobody changes anything between the old ones and the new ones.
LOCK TABLES api_keys WRITE, api_key_secrets WRITE, api_key_events WRITE, api_key_denials WRITE;
DROP TRIGGER IF EXISTS api_keys_feed_update;
DROP TRIGGER IF EXISTS api_keys_feed_delete;
DROP TRIGGER IF EXISTS api_key_secrets_feed_update;
DROP TRIGGER IF EXISTS api_key_secrets_feed_delete;
DROP TRIGGER IF EXISTS api_keys_inserted;
DROP TRIGGER IF EXISTS api_keys_revoking;
DROP TRIGGER IF EXISTS api_keys_updated;
DROP TRIGGER IF EXISTS api_keys_deleted;
DROP TRIGGER IF EXISTS api_key_secrets_inserted;
DROP TRIGGER IF EXISTS api_key_secrets_updated;
DROP TRIGGER IF EXISTS api_key_secrets_deleted;
DROP TRIGGER IF EXISTS api_key_denials_inserted;
DROP TRIGGER IF EXISTS api_key_denials_updated;
DROP TRIGGER IF EXISTS api_key_events_signed;

DELIMITER //
-- A digest from elsewhere has no last four characters: that is an import.
CREATE TRIGGER api_keys_inserted AFTER INSERT ON api_keys FOR EACH ROW
    INSERT INTO api_key_events (event, key_id, owner_type, owner_id)
    VALUES (IF(NEW.last_four = '', 'imported', 'created'), NEW.id, NEW.owner_type, NEW.owner_id)//

-- The time of a revocation is ours, whatever NOW() is where it was written; the first one stays.
CREATE TRIGGER api_keys_revoking BEFORE UPDATE ON api_keys FOR EACH ROW
    IF OLD.revoked_at IS NULL AND NEW.revoked_at IS NULL THEN
        SET NEW.revoked_by = NULL;
    ELSEIF OLD.revoked_at IS NULL THEN
        SET NEW.revoked_at = UTC_TIMESTAMP(3);
        SET NEW.revoked_by = LEFT(
            COALESCE(NEW.revoked_by, @apikey_actor, CONVERT(USER() USING utf8mb4)), 255);
    ELSEIF NEW.revoked_at IS NULL THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT =
            'revoked_at: a key that is revoked stays so; make a new one';
    ELSE
        SET NEW.revoked_at = OLD.revoked_at;
        SET NEW.revoked_by = OLD.revoked_by;
    END IF//

CREATE TRIGGER api_keys_updated AFTER UPDATE ON api_keys FOR EACH ROW
BEGIN
    DECLARE changed VARCHAR(1000) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

    INSERT INTO api_key_changes (key_id) VALUES (OLD.id);
    SET changed = CONCAT_WS(', ',
        IF(NEW.id = OLD.id, NULL, CONCAT('id was ', OLD.id)),
        IF(NEW.owner_type = OLD.owner_type
           AND CAST(NEW.owner_id AS BINARY) = CAST(OLD.owner_id AS BINARY),
           NULL, CONCAT('owner was ', OLD.owner_type, ' ', OLD.owner_id)),
        IF(CAST(NEW.description AS BINARY) = CAST(OLD.description AS BINARY),
           NULL, 'description'),
        IF(NEW.scopes = OLD.scopes, NULL, 'scopes'),
        IF(NEW.is_public = OLD.is_public, NULL, 'is_public'),
        IF(NEW.created_at = OLD.created_at, NULL, 'created_at'),
        IF(NEW.created_by = OLD.created_by, NULL, 'created_by'),
        IF(NEW.expires_at <=> OLD.expires_at, NULL, 'expires_at'));
    IF changed <> '' THEN
        INSERT INTO api_key_events (event, key_id, owner_type, owner_id, detail)
        VALUES ('updated', NEW.id, NEW.owner_type, NEW.owner_id, LEFT(changed, 255));
    END IF;
    IF OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL THEN
        INSERT INTO api_key_events (event, key_id, owner_type, owner_id)
        VALUES ('revoked', NEW.id, NEW.owner_type, NEW.owner_id);
    END IF;
END//

-- Pruned: it was dead already.
CREATE TRIGGER api_keys_deleted AFTER DELETE ON api_keys FOR EACH ROW
BEGIN
    INSERT INTO api_key_changes (key_id) VALUES (OLD.id);
    INSERT INTO api_key_events (event, key_id, owner_type, owner_id)
    VALUES (IF(OLD.revoked_at IS NOT NULL OR OLD.expires_at < UTC_TIMESTAMP(3),
               'pruned', 'deleted'),
            OLD.id, OLD.owner_type, OLD.owner_id);
END//

-- A key that has one already is rotated.
CREATE TRIGGER api_key_secrets_inserted AFTER INSERT ON api_key_secrets FOR EACH ROW
    IF EXISTS (SELECT 1 FROM api_key_secrets s
                WHERE s.key_id = NEW.key_id AND s.digest <> NEW.digest) THEN
        INSERT INTO api_key_events (event, key_id, owner_type, owner_id, detail)
        VALUES ('rotated', NEW.key_id,
                (SELECT k.owner_type FROM api_keys k WHERE k.id = NEW.key_id),
                (SELECT k.owner_id FROM api_keys k WHERE k.id = NEW.key_id),
                CONCAT('secret ...', NEW.last_four));
    END IF//

-- When a rotation ends the secrets before it, its own row tells so: the last one of the key, that the
-- same one wrote moments ago. No row says less than two would.
CREATE TRIGGER api_key_secrets_updated AFTER UPDATE ON api_key_secrets FOR EACH ROW
BEGIN
    DECLARE changed, by_account, by_actor, by_client
        VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
    DECLARE rotation BIGINT UNSIGNED;

    INSERT INTO api_key_changes (key_id) VALUES (OLD.key_id);
    SET changed = CONCAT_WS(', ',
        IF(NEW.key_id = OLD.key_id, NULL, CONCAT('was one of key ', OLD.key_id)),
        IF(NEW.digest = OLD.digest AND NEW.pepper <=> OLD.pepper, NULL, 'is another one'),
        IF(NEW.expires_at <=> OLD.expires_at, NULL,
           COALESCE(CONCAT('ends ', NEW.expires_at), 'does not end')));
    IF changed LIKE 'ends %' THEN
        SET by_account = LEFT(USER(), 255);
        SET by_actor = LEFT(COALESCE(@apikey_actor, CONVERT(USER() USING utf8mb4)), 255);
        SET by_client = LEFT(COALESCE(
            @apikey_client, SUBSTRING_INDEX(CONVERT(USER() USING utf8mb4), '@', -1)), 255);
        SET rotation = (
            SELECT e.id FROM api_key_events e
             WHERE e.id = (SELECT MAX(l.id) FROM api_key_events l WHERE l.key_id = NEW.key_id)
               AND e.event = 'rotated' AND e.happened_at > UTC_TIMESTAMP(3) - INTERVAL 10 SECOND
               AND e.account = by_account AND e.actor = by_actor AND e.client = by_client
               AND CHAR_LENGTH(e.detail) < 200);
    END IF;
    IF rotation IS NOT NULL THEN
        UPDATE api_key_events e
           SET e.detail = CONCAT(e.detail, '; ...', OLD.last_four, ' ', changed)
         WHERE e.id = rotation;
    ELSEIF changed <> '' THEN
        INSERT INTO api_key_events (event, key_id, owner_type, owner_id, detail)
        VALUES ('updated', NEW.key_id,
                (SELECT k.owner_type FROM api_keys k WHERE k.id = NEW.key_id),
                (SELECT k.owner_id FROM api_keys k WHERE k.id = NEW.key_id),
                CONCAT('secret ...', OLD.last_four, ' ', changed));
    END IF;
END//

CREATE TRIGGER api_key_secrets_deleted AFTER DELETE ON api_key_secrets FOR EACH ROW
BEGIN
    INSERT INTO api_key_changes (key_id) VALUES (OLD.key_id);
    INSERT INTO api_key_events (event, key_id, owner_type, owner_id, detail)
    VALUES ('updated', OLD.key_id,
            (SELECT k.owner_type FROM api_keys k WHERE k.id = OLD.key_id),
            (SELECT k.owner_id FROM api_keys k WHERE k.id = OLD.key_id),
            CONCAT('secret ...', OLD.last_four, ' deleted'));
END//

CREATE TRIGGER api_key_denials_inserted AFTER INSERT ON api_key_denials FOR EACH ROW
    INSERT INTO api_key_events (event, key_id, owner_type, owner_id, detail)
    VALUES ('denied', NEW.key_id, NEW.owner_type, NEW.owner_id, NEW.what)//

CREATE TRIGGER api_key_denials_updated AFTER UPDATE ON api_key_denials FOR EACH ROW
    IF NEW.denied_at <> OLD.denied_at THEN
        INSERT INTO api_key_events (event, key_id, owner_type, owner_id, detail)
        VALUES ('denied', NEW.key_id, NEW.owner_type, NEW.owner_id, NEW.what);
    END IF//

-- Who and from where, whatever the row said.
CREATE TRIGGER api_key_events_signed BEFORE INSERT ON api_key_events FOR EACH ROW
    SET NEW.account = LEFT(USER(), 255),
        NEW.actor = LEFT(COALESCE(@apikey_actor, CONVERT(USER() USING utf8mb4)), 255),
        NEW.client = LEFT(COALESCE(
            @apikey_client, SUBSTRING_INDEX(CONVERT(USER() USING utf8mb4), '@', -1)), 255)//
DELIMITER ;
UNLOCK TABLES;

UPDATE api_key_settings SET value = 'triggers' WHERE name IN ('feed', 'events');
COMMIT; -- for a server with autocommit=0
