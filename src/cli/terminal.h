/* SPDX-License-Identifier: Apache-2.0 */
/* Text on terminals: how wide it is, what must not get there, colours, progress. */
#ifndef APIKEY_CLI_TERMINAL_H
#define APIKEY_CLI_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef enum {
    CLI_PLAIN = 0,
    CLI_BOLD,
    CLI_GOOD,   /* green */
    CLI_BAD,    /* red */
    CLI_FADING, /* yellow */
} cli_paint_t;

/* Once, before anything else of this file: takes wide characters for wide in any locale. */
void cli_terminal_init(void);

bool cli_is_terminal(FILE *out);

/* Columns of the terminal that is standard output; 80 where nobody knows. */
int cli_terminal_width(void);

/* The paint of a status word: valid, revoked, expired, anything else. */
cli_paint_t cli_paint_of(const char *status);

/* Columns that a text takes up as the functions below print it. */
int cli_text_width(const char *text);

/* Prints text with control characters, what turns the direction of the text behind it and what
 * is not UTF-8 replaced by `?`, so that a description cannot drive the terminal. */
void cli_print_safe(FILE *out, const char *text);

/* The same, cut to `width` columns with an ellipsis, and painted where standard output is a
 * terminal that takes colours (NO_COLOR, TERM=dumb); `pad` fills it up with spaces. */
void cli_print_cell(const char *text, int width, bool pad, cli_paint_t paint);

/* Says on standard error how far a long work has got, over and over in the same line; nothing
 * where that is no terminal, and not more often than anybody can read. `all` 0: nobody knows.
 * With `what` NULL the line is wiped. */
void cli_progress(const char *what, uint64_t done, uint64_t all);

#endif
