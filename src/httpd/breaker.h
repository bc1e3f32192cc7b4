/* SPDX-License-Identifier: Apache-2.0 */
/* The circuit breaker of a realm, shared by all children: a database that does not answer is
 * asked by one request now and then, not by everybody. */
#ifndef APIKEY_BREAKER_H
#define APIKEY_BREAKER_H

#include <httpd.h>
#include <stdbool.h>

/* Whether this caller may ask: always while the breaker is closed, now and then while it is
 * open. */
bool apikey_breaker_allows(const server_rec *s, int64_t now_ms);

bool apikey_breaker_is_open(const server_rec *s);

/* Reports how asking went that began at `asked_ms`. A failure counts unless the database has
 * answered somebody since; an answer, got at `now_ms`, ends an outage that had begun by then. A
 * change of state is logged, once for all children; `why` says what happened and what can be
 * done. */
void apikey_breaker_failed(const server_rec *s, int64_t asked_ms, const char *why);
void apikey_breaker_succeeded(const server_rec *s, int64_t asked_ms, int64_t now_ms);

#endif
