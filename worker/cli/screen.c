#include "worker/cli/screen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/jtext.h"
#include "common/result.h"

#define WIDTH_DEFAULT 80

static int terminal_width(int fd)
{
    struct winsize size;

    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : WIDTH_DEFAULT;
}

static bool is_terminal(int fd)
{
    const char *term = getenv("TERM");

    return isatty(fd) && term != NULL && strcmp(term, "dumb") != 0;
}

// https://no-color.org
static bool wants_colour(int fd)
{
    const char *no_color = getenv("NO_COLOR");

    return is_terminal(fd) && (no_color == NULL || no_color[0] == '\0');
}

// Text of peers and command lines may hold anything; on a terminal it must stay one line of text.
static char *printable(const char *text)
{
    struct buf out = {0};

    for (const char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            buf_printf(&out, "\\x%02x", (unsigned char)*p);
        else
            buf_append(&out, p, 1);
    return buf_take(&out);
}

static void flush(struct buf *out)
{
    if (out->len > 0)
        fwrite(out->data, 1, out->len, stderr);
    buf_done(out);
}

void screen_init(struct screen *s, bool quiet, bool json)
{
    *s = (struct screen){.json = json};
    s->progress.live = is_terminal(STDERR_FILENO);
    s->progress.colour = wants_colour(STDERR_FILENO);
    s->progress.quiet = quiet;
}

void screen_done(struct screen *s)
{
    struct buf out = {0};

    progress_clear(&s->progress, &out);
    flush(&out);
    progress_done(&s->progress);
}

void screen_state(struct screen *s, const char *text)
{
    struct buf out = {0};
    char *clean = printable(text);

    progress_state(&s->progress, clean, terminal_width(STDERR_FILENO), &out);
    flush(&out);
    free(clean);
}

void screen_numbers(struct screen *s, const struct progress_numbers *n)
{
    struct buf out = {0};

    progress_numbers(&s->progress, n, clock_now(), terminal_width(STDERR_FILENO), &out);
    flush(&out);
}

static char *line_of(const char *fmt, va_list ap)
{
    char *text = xvasprintf(fmt, ap), *clean = printable(text);
    char *line = xasprintf("lps: %s", clean);

    free(clean);
    free(text);
    return line;
}

void screen_notice(struct screen *s, const char *fmt, ...)
{
    struct buf out = {0};
    va_list ap;

    va_start(ap, fmt);
    char *line = line_of(fmt, ap);
    va_end(ap);
    progress_notice(&s->progress, line, terminal_width(STDERR_FILENO), &out);
    flush(&out);
    free(line);
}

void screen_result(struct screen *s, const json_t *result, const json_t *node)
{
    struct buf out = {0};
    int width = isatty(STDOUT_FILENO) ? terminal_width(STDOUT_FILENO) : 0;

    progress_clear(&s->progress, &out);
    flush(&out);
    if (result == NULL && node != NULL) {
        screen_notice(s, "the result below is this node's own, not the cluster's");
        result = node;
        node = NULL;
    }
    if (result == NULL)
        return;
    char *text = s->json ? jtext_format(result, false)
                         : result_format(result, node, width, wants_colour(STDOUT_FILENO));
    size_t len = strlen(text);
    screen_print("%s%s", text, len > 0 && text[len - 1] == '\n' ? "" : "\n");
    free(text);
}

void screen_error(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    char *line = line_of(fmt, ap);
    va_end(ap);
    fprintf(stderr, "%s\n", line);
    free(line);
}

static void put_diag(const char *word, const struct diag *d)
{
    for (size_t i = 0; i < d->n && i < DIAG_MAX; i++) {
        const struct diag_entry *e = &d->entry[i];
        if (d->file != NULL && e->line > 0)
            screen_error("%s%s:%d:%d: %s", word, d->file, e->line, e->column, e->text);
        else if (d->file != NULL)
            screen_error("%s%s: %s", word, d->file, e->text);
        else
            screen_error("%s%s", word, e->text);
    }
    if (d->n > DIAG_MAX)
        screen_error("%sand %zu more", word, d->n - DIAG_MAX);
}

void screen_diag(const struct diag *d)
{
    put_diag("", d);
}

void screen_warnings(const struct diag *d)
{
    put_diag("warning: ", d);
}

void screen_print(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int r = vprintf(fmt, ap);
    va_end(ap);
    if (r < 0 || fflush(stdout) != 0)
        screen_error("standard output: %s", strerror(errno));
}
