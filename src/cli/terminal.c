/* SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700 /* wcwidth() */
#define _DEFAULT_SOURCE
#include "terminal.h"

#include "../core/utf8.h"

#include <apr_time.h>
#include <inttypes.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

static const apr_interval_time_t progress_every = 100000; /* microseconds */

void cli_terminal_init(void)
{
    /* Texts are UTF-8 whatever the locale says; without this one all characters count as one
     * column wide. */
    (void)setlocale(LC_CTYPE, "C.UTF-8");
}

bool cli_is_terminal(FILE *out)
{
    return isatty(fileno(out)) == 1;
}

int cli_terminal_width(void)
{
    struct winsize size = {0};

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static bool has_colours(void)
{
    const char *no = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return cli_is_terminal(stdout) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

cli_paint_t cli_paint_of(const char *status)
{
    if (strcmp(status, "valid") == 0) {
        return CLI_GOOD;
    }
    return strcmp(status, "expired") == 0 ? CLI_FADING : CLI_BAD;
}

/* One character of a text, as it is printed. */
typedef struct {
    const char *bytes;
    size_t len;
    int width;
} glyph_t;

static wchar_t code_point(const unsigned char *c, size_t len)
{
    static const unsigned char bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = c[0] & bits[len];
    size_t i;

    for (i = 1; i < len; i++) {
        code = code << 6 | (c[i] & 0x3f);
    }
    return (wchar_t)code;
}

/* Control characters, those of ISO 8859 (U+0080 to U+009F) too, line and paragraph separators,
 * and what turns the direction of the text that follows. */
static bool drives_terminal(wchar_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* The character that `text` begins with; returns what is behind it. */
static const char *next_glyph(const char *text, glyph_t *glyph)
{
    const size_t len = apikey_utf8_length(text);
    const wchar_t c = len ? code_point((const unsigned char *)text, len) : 0;

    if (len == 0 || drives_terminal(c)) {
        *glyph = (glyph_t){"?", 1, 1};
    }
    else {
        const int width = wcwidth(c);
        *glyph = (glyph_t){text, len, width < 0 ? 1 : width};
    }
    return text + (len ? len : 1);
}

int cli_text_width(const char *text)
{
    int width = 0;
    glyph_t glyph;

    while (*text) {
        text = next_glyph(text, &glyph);
        width += glyph.width;
    }
    return width;
}

void cli_print_safe(FILE *out, const char *text)
{
    glyph_t glyph;

    while (*text) {
        text = next_glyph(text, &glyph);
        fwrite(glyph.bytes, 1, glyph.len, out);
    }
}

/* As much of a text as fits; returns the columns it took. */
static int print_cut(const char *text, int width)
{
    const bool whole = cli_text_width(text) <= width;
    const int room = whole ? width : width - 1;
    int used = 0;
    glyph_t glyph;

    while (*text) {
        text = next_glyph(text, &glyph);
        if (used + glyph.width > room) {
            break;
        }
        fwrite(glyph.bytes, 1, glyph.len, stdout);
        used += glyph.width;
    }
    if (!whole && width > 0) {
        fputs("\u2026", stdout);
        used++;
    }
    return used;
}

void cli_print_cell(const char *text, int width, bool pad, cli_paint_t paint)
{
    static const char *const on[] = {"", "\033[1m", "\033[32m", "\033[31m", "\033[33m"};
    const bool painted = paint != CLI_PLAIN && has_colours();
    int used;

    if (painted) {
        fputs(on[paint], stdout);
    }
    used = print_cut(text, width);
    if (painted) {
        fputs("\033[0m", stdout);
    }
    for (; pad && used < width; used++) {
        putchar(' ');
    }
}

void cli_progress(const char *what, uint64_t done, uint64_t all)
{
    static apr_time_t last;
    const apr_time_t now = apr_time_now();

    if (!cli_is_terminal(stderr) || (what && now - last < progress_every)) {
        return;
    }
    if (!what) {
        if (last) {
            fputs("\r\033[K", stderr);
        }
        last = 0;
        return;
    }
    last = now;
    if (all) {
        fprintf(stderr, "\r%s %" PRIu64 " %%\033[K", what, done * 100 / all);
    }
    else {
        fprintf(stderr, "\r%s %" PRIu64 "\033[K", what, done);
    }
    fflush(stderr);
}
