/* SPDX-License-Identifier: Apache-2.0 */
#include "sql.h"

#include "packed.h"

#include <apr_strings.h>
#include <string.h>

/* By hand: a statement reads best with one column a line. */
/* clang-format off */

/* Milliseconds since 1970 UTC, whatever the session's time zone and past 2038, which
 * UNIX_TIMESTAMP() does neither. NULL stays NULL; a zero date, whose difference is NULL too,
 * must not read as "never" and becomes 0. */
#define MS(column) \
    "IF(" column " IS NULL, NULL," \
    " COALESCE(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', " column ") DIV 1000, 0))"

/* The text of a column as UTF-8, whatever the character set of the connection; that of a binary
 * column, which only a site's own table has, as it is: converting would turn every byte that is
 * not UTF-8 into the same `?`, and so two owners into one. Both are BINARY before they meet: with
 * the collations of MariaDB 11 they would not mix (1267). */
#define BYTES(column) \
    "IF(CHARSET(" column ") = _ascii'binary', CAST(" column " AS BINARY)," \
    " CAST(CONVERT(" column " USING utf8mb4) AS BINARY))"

/* In one column, whose name is short because the server sends it with every answer. Owner and
 * scopes are last: where they are longer than we take, the rest is whole. */
#define NUMBER(value) APIKEY_PACKED("CAST(" value " AS BINARY)")
#define FIND \
    "SELECT CONCAT(" \
    APIKEY_PACKED("s.digest") ", " \
    NUMBER("k.id") ", " \
    APIKEY_PACKED(BYTES("k.owner_type")) ", " \
    NUMBER(MS("k.expires_at")) ", " \
    NUMBER(MS("s.expires_at")) ", " \
    NUMBER("(k.revoked_at IS NOT NULL)") ", " \
    APIKEY_PACKED(BYTES("k.owner_id")) ", " \
    APIKEY_PACKED(BYTES("k.scopes")) ") p" \
    " FROM api_key_secrets s JOIN api_keys k ON k.id = s.key_id WHERE s.digest "

#define STATUS \
    "CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked'" \
    " WHEN k.expires_at < UTC_TIMESTAMP(3) THEN 'expired' ELSE 'valid' END"

/* The page of keys is cut from api_keys first and joined with its use afterwards: MySQL would
 * otherwise hash all of the usage table. The cast keeps a count an integer: COALESCE of an
 * unsigned and a signed one is a DECIMAL. */
#define LISTED \
    "k.id, " \
    BYTES("k.owner_type") ", " \
    BYTES("k.owner_id") ", " \
    BYTES("k.description") ", " \
    BYTES("k.scopes") ", " \
    BYTES("k.last_four") ", " \
    "k.is_public, " \
    MS("k.created_at") ", " \
    BYTES("k.created_by") ", " \
    MS("k.expires_at") ", " \
    MS("k.revoked_at") ", " \
    BYTES("k.revoked_by") ", " \
    BYTES(STATUS) ", " \
    MS("u.last_used_at") ", " \
    BYTES("u.last_used_ip") ", " \
    "CAST(COALESCE(u.use_count, 0) AS UNSIGNED)"

#define LIST(page) \
    "SELECT " LISTED " FROM " page " k LEFT JOIN api_key_usage u ON u.key_id = k.id ORDER BY k.id DESC"

#define PAGE(where) \
    "(SELECT k.* FROM api_keys k WHERE " where "k.id < ? AND (? = '' OR ? = " STATUS ")" \
    " ORDER BY k.id DESC LIMIT ?)"

#define SECRET \
    "s.digest, " \
    BYTES("s.pepper") ", " \
    BYTES("s.last_four") ", " \
    MS("s.created_at") ", " \
    MS("s.expires_at")

#define EVENT \
    "id, " \
    MS("happened_at") ", " \
    BYTES("event") ", " \
    "key_id, " \
    BYTES("owner_type") ", " \
    BYTES("owner_id") ", " \
    BYTES("actor") ", " \
    BYTES("account") ", " \
    BYTES("client") ", " \
    BYTES("detail")

/* A teams table may be the site's own, whose columns need not be text. */
#define MEMBER \
    BYTES("team_id") ", " BYTES("user_id") ", COALESCE(manage_api_keys <> 0, 0)"

/* clang-format on */

#define TIME_US "TIMESTAMPADD(MICROSECOND, ?, TIMESTAMP'1970-01-01 00:00:00')"
#define AGO "UTC_TIMESTAMP(3) - INTERVAL ? SECOND"
#define DEAD "(revoked_at < " AGO " OR expires_at < " AGO ")"

/* Who acts: whom the session acts for, or its account. USER() is in utf8mb3, which MariaDB 11
 * does not mix with names beyond it. */
#define ACTS "@apikey_actor, CONVERT(USER() USING utf8mb4)"
#define ACTOR "LEFT(COALESCE(" ACTS "), 255)"

/* What tells a row of the change feed from another one that got its id: never 0. */
#define CHANGE_MARK "CRC32(CONCAT(key_id, ' ', changed_at)) + 1"

/* What tells as many ids from others. */
#define WHICH_IDS "COALESCE(BIT_XOR(CRC32(id)), 0)"

/* The assignments run from left to right: the address before the time it is judged by. */
#define ADD_USES(rows)                                                                         \
    "INSERT INTO api_key_usage (key_id, last_used_at, last_used_ip, use_count) VALUES " rows   \
    " ON DUPLICATE KEY UPDATE use_count = use_count + VALUES(use_count), "                     \
    "last_used_ip = IF(VALUES(last_used_at) >= last_used_at, VALUES(last_used_ip), "           \
    "last_used_ip), last_used_at = GREATEST(last_used_at, VALUES(last_used_at))"
#define FIVE(what) what ", " what ", " what ", " what ", " what
#define TWENTY_FIVE(what)                                                                      \
    FIVE(what) ", " FIVE(what) ", " FIVE(what) ", " FIVE(what) ", " FIVE(what)
#define USE "(?, " TIME_US ", ?, ?)"

static const char *const text[APIKEY_SQL_COUNT] = {
    [APIKEY_SQL_FIND] = FIND "= ?",
    [APIKEY_SQL_FIND_ANY] = FIND "IN (?, ?, ?, ?)",
    [APIKEY_SQL_ADD_KEY] =
        "INSERT INTO api_keys (owner_type, owner_id, description, scopes, last_four, "
        "is_public, created_by, expires_at) VALUES (?, ?, ?, ?, ?, ?, "
        "LEFT(COALESCE(?, " ACTS "), 255), " TIME_US ")",
    [APIKEY_SQL_ADD_SECRET] = "INSERT INTO api_key_secrets (digest, key_id, pepper, last_four, "
                              "request) VALUES (?, ?, ?, ?, ?)",
    [APIKEY_SQL_FIRST_KEY] =
        "SELECT MIN(id) FROM api_keys WHERE owner_type = ? AND owner_id = ?",
    [APIKEY_SQL_COUNT_LIVE] =
        "SELECT COUNT(*) FROM api_keys WHERE owner_type = ? AND owner_id = ? AND revoked_at IS "
        "NULL AND (expires_at IS NULL OR expires_at >= UTC_TIMESTAMP(3)) FOR UPDATE",
    [APIKEY_SQL_LOCK_KEY] = "SELECT id FROM api_keys WHERE id = ? FOR UPDATE",
    [APIKEY_SQL_DESCRIBE] = "UPDATE api_keys SET description = ? WHERE id = ?",
    [APIKEY_SQL_REVOKE] = "UPDATE api_keys SET revoked_at = UTC_TIMESTAMP(3), "
                          "revoked_by = " ACTOR " WHERE id = ? AND revoked_at IS NULL",
    /* A secret and a key are of use up to and with their last millisecond. */
    [APIKEY_SQL_ROTATABLE] =
        "SELECT k.revoked_at IS NOT NULL, COALESCE(k.expires_at < UTC_TIMESTAMP(3), 0), "
        "(SELECT COUNT(*) FROM api_key_secrets s WHERE s.key_id = k.id "
        "AND (s.expires_at IS NULL OR s.expires_at >= UTC_TIMESTAMP(3))), "
        "(SELECT COUNT(*) FROM api_key_secrets s WHERE s.key_id = k.id AND s.request = ?) "
        "FROM api_keys k WHERE k.id = ?",
    [APIKEY_SQL_END_OTHERS] =
        "UPDATE api_key_secrets SET expires_at = UTC_TIMESTAMP(3) - INTERVAL 1000 MICROSECOND "
        "WHERE key_id = ? AND digest <> ? "
        "AND (expires_at IS NULL OR expires_at >= UTC_TIMESTAMP(3))",
    /* One that was promised an end before keeps it. */
    [APIKEY_SQL_GRACE] =
        "UPDATE api_key_secrets s JOIN api_keys k ON k.id = s.key_id SET s.expires_at = "
        "LEAST(UTC_TIMESTAMP(3) + INTERVAL ? SECOND, COALESCE(k.expires_at, '9999-12-31')) "
        "WHERE s.key_id = ? AND s.digest <> ? AND s.expires_at IS NULL",
    [APIKEY_SQL_LAST_FOUR] = "UPDATE api_keys SET last_four = ? WHERE id = ?",
    [APIKEY_SQL_KNOWN] =
        "SELECT digest FROM api_key_secrets WHERE digest IN (" TWENTY_FIVE("?") ")",
    [APIKEY_SQL_ADD_SECRETS] =
        "INSERT INTO api_key_secrets (digest, key_id, pepper, last_four) "
        "VALUES " TWENTY_FIVE("(?, ?, ?, ?)"),
    [APIKEY_SQL_DEAD] = "SELECT id FROM api_keys WHERE id > ? AND " DEAD " ORDER BY id LIMIT ?",
    [APIKEY_SQL_DELETE_DEAD] = "DELETE FROM api_keys WHERE id = ? AND " DEAD,
    [APIKEY_SQL_DELETE_USE] = "DELETE FROM api_key_usage WHERE key_id = ?",
    [APIKEY_SQL_SHOW] = LIST("(SELECT * FROM api_keys WHERE id = ?)"),
    [APIKEY_SQL_SHOW_FOUND] =
        "SELECT " LISTED ", " SECRET " FROM api_key_secrets s JOIN api_keys k ON k.id = "
        "s.key_id LEFT JOIN api_key_usage u ON u.key_id = k.id WHERE s.digest = ?",
    [APIKEY_SQL_SECRETS] = "SELECT " SECRET " FROM api_key_secrets s WHERE s.key_id = ? "
                           "ORDER BY s.created_at, s.digest",
    [APIKEY_SQL_LIST] = LIST(PAGE("")),
    /* By the index, and then byte for byte: a collation may take others for this owner. */
    [APIKEY_SQL_LIST_OWNER] =
        LIST(PAGE("k.owner_type = ? AND k.owner_id = ? AND " BYTES("k.owner_id") " = ? AND ")),
    [APIKEY_SQL_GET_SETTING] = "SELECT " BYTES("value") " FROM api_key_settings WHERE name = ?",
    [APIKEY_SQL_SETTINGS] =
        "SELECT " BYTES("name") ", " BYTES("value") " FROM api_key_settings",
    [APIKEY_SQL_SET_SETTING] = "INSERT INTO api_key_settings (name, value) VALUES (?, ?) "
                               "ON DUPLICATE KEY UPDATE value = VALUES(value)",
    [APIKEY_SQL_ACT_AS] = "SET @apikey_actor = ?, @apikey_client = ?",
    /* A trigger writes the event where this is the first attempt for a minute. */
    [APIKEY_SQL_DENIED] =
        "INSERT INTO api_key_denials (actor, denied_at, what, owner_type, owner_id, key_id) "
        "VALUES (" ACTOR ", UTC_TIMESTAMP(3), ?, ?, ?, ?) ON DUPLICATE KEY UPDATE "
        "what = IF(denied_at > UTC_TIMESTAMP(3) - INTERVAL 1 MINUTE, what, VALUES(what)), "
        "owner_type = IF(denied_at > UTC_TIMESTAMP(3) - INTERVAL 1 MINUTE, owner_type, "
        "VALUES(owner_type)), "
        "owner_id = IF(denied_at > UTC_TIMESTAMP(3) - INTERVAL 1 MINUTE, owner_id, "
        "VALUES(owner_id)), "
        "key_id = IF(denied_at > UTC_TIMESTAMP(3) - INTERVAL 1 MINUTE, key_id, "
        "VALUES(key_id)), "
        "denied_at = IF(denied_at > UTC_TIMESTAMP(3) - INTERVAL 1 MINUTE, denied_at, "
        "VALUES(denied_at))",
    [APIKEY_SQL_EVENTS] =
        "SELECT " EVENT " FROM api_key_events WHERE id < ? AND (? = 0 OR key_id = ?) "
        "AND happened_at >= " TIME_US " ORDER BY id DESC LIMIT ?",
    [APIKEY_SQL_TEAM_SET] =
        "INSERT INTO api_key_team_members (team_id, user_id, manage_api_keys) VALUES (?, ?, ?) "
        "ON DUPLICATE KEY UPDATE manage_api_keys = VALUES(manage_api_keys)",
    [APIKEY_SQL_TEAM_REMOVE] =
        "DELETE FROM api_key_team_members WHERE team_id = ? AND user_id = ?",
    [APIKEY_SQL_TEAM_LIST] = "SELECT " MEMBER " FROM api_key_team_members "
                             "WHERE ? IS NULL OR team_id = ? ORDER BY team_id, user_id",
    [APIKEY_SQL_MAY_MANAGE] =
        "SELECT " MEMBER " FROM " APIKEY_SQL_TABLE " WHERE team_id = ? AND user_id = ?",
    [APIKEY_SQL_TEAMS_OF] =
        "SELECT " MEMBER " FROM " APIKEY_SQL_TABLE " WHERE user_id = ? ORDER BY team_id",
    [APIKEY_SQL_FEED_TOP] = "SELECT COALESCE(MAX(id), 0), (SELECT " CHANGE_MARK
                            " FROM api_key_changes WHERE id = ?) FROM api_key_changes",
    [APIKEY_SQL_FEED_LAST] = "SELECT id, " CHANGE_MARK " FROM api_key_changes "
                             "WHERE id <= ? ORDER BY id DESC LIMIT 1",
    [APIKEY_SQL_FEED_READ] = "SELECT id, key_id FROM api_key_changes "
                             "WHERE id > ? AND id <= ? ORDER BY id LIMIT ?",
    [APIKEY_SQL_FEED_COUNT] =
        "SELECT COUNT(*), " WHICH_IDS " FROM api_key_changes WHERE id BETWEEN ? AND ?",
    [APIKEY_SQL_FEED_PAGE] =
        "SELECT COUNT(*), " WHICH_IDS ", COALESCE(MAX(id), 0) FROM (SELECT id FROM "
        "api_key_changes WHERE id > ? AND id <= ? ORDER BY id LIMIT ?) page",
    /* Looked for without a lock, and only among the oldest. */
    [APIKEY_SQL_FEED_OLD] =
        "SELECT COALESCE(MAX(id), 0) FROM (SELECT id, changed_at FROM api_key_changes "
        "WHERE id < ? ORDER BY id LIMIT ?) oldest "
        "WHERE changed_at < UTC_TIMESTAMP(3) - INTERVAL ? SECOND",
    /* The scan ends at a row that is left: one of an open transaction may come after it. */
    [APIKEY_SQL_FEED_PRUNE] = "DELETE FROM api_key_changes WHERE id < ? "
                              "AND changed_at < UTC_TIMESTAMP(3) - INTERVAL ? SECOND",
    [APIKEY_SQL_DIRTY_READS] = "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
    [APIKEY_SQL_WRITER_MAKE] =
        "INSERT IGNORE INTO api_key_usage_writers (writer, sequence) VALUES (?, 0)",
    [APIKEY_SQL_WRITER_SEEN] =
        "SELECT sequence FROM api_key_usage_writers WHERE writer = ? FOR UPDATE",
    [APIKEY_SQL_WRITER_NOTE] = "UPDATE api_key_usage_writers SET sequence = ?, "
                               "written_at = UTC_TIMESTAMP(3) WHERE writer = ?",
    [APIKEY_SQL_ADD_USE] = ADD_USES(USE),
    [APIKEY_SQL_ADD_USES] = ADD_USES(TWENTY_FIVE(USE)),
};

const char *apikey_sql_text(apikey_sql_t statement)
{
    return text[statement];
}

/* The length of the identifier that `name` begins with; 0 where it does not. */
static size_t identifier(const char *name)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_$";
    const size_t len = strspn(name, letters);

    return len <= APIKEY_SQL_NAME_MAX && len > strspn(name, "0123456789") ? len : 0;
}

bool apikey_sql_table_ok(const char *name)
{
    const size_t first = identifier(name);
    const size_t second = first && name[first] == '.' ? identifier(name + first + 1) : 0;

    return first && (second ? name[first + 1 + second] == '\0' : name[first] == '\0');
}

const char *apikey_sql_on(apikey_sql_t statement, const char *table, apr_pool_t *pool)
{
    const char *place = strstr(text[statement], APIKEY_SQL_TABLE);
    const char *dot = strchr(table, '.');

    if (!place || !apikey_sql_table_ok(table)) {
        return NULL;
    }
    return apr_pstrcat(
        pool, apr_pstrmemdup(pool, text[statement], (size_t)(place - text[statement])), "`",
        dot ? apr_pstrmemdup(pool, table, (size_t)(dot - table)) : "", dot ? "`.`" : "",
        dot ? dot + 1 : table, "`", place + sizeof(APIKEY_SQL_TABLE) - 1, NULL);
}
