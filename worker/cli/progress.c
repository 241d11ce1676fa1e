#include "worker/cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RED   "\033[31m"
#define PLAIN "\033[0m"
#define ERASE "\r\033[K"

void progress_done(struct progress *p)
{
    free(p->state);
    *p = (struct progress){0};
}

// Bytes of text that fill at most `width` columns; a character of several bytes counts as one and
// is never cut.
static size_t fit(const char *text, int width)
{
    size_t len = 0;

    for (int columns = 0; text[len] != '\0'; len++) {
        bool begins = ((unsigned char)text[len] & 0xc0) != 0x80;
        if (begins && columns++ == width)
            break;
    }
    return len;
}

static void draw_state(struct progress *p, int width, struct buf *out)
{
    // The last column stays free: writing it would make some terminals go to the next line.
    buf_puts(out, ERASE);
    buf_append(out, p->state, fit(p->state, width - 1));
    p->on_screen = true;
    p->shows_state = true;
}

void progress_clear(struct progress *p, struct buf *out)
{
    if (p->on_screen)
        buf_puts(out, ERASE);
    p->on_screen = false;
}

void progress_state(struct progress *p, const char *text, int width, struct buf *out)
{
    if (p->quiet || (p->state != NULL && strcmp(p->state, text) == 0))
        return;
    free(p->state);
    p->state = xstrdup(text);
    if (p->live)
        draw_state(p, width, out);
    else
        buf_printf(out, "%s\n", text);
}

void progress_notice(struct progress *p, const char *text, int width, struct buf *out)
{
    bool again = p->on_screen && p->shows_state;

    progress_clear(p, out);
    buf_printf(out, "%s\n", text);
    if (again)
        draw_state(p, width, out);
}

// One piece of the line; false: it does not fit any more, and what follows is left out as well.
static bool put_piece(struct buf *line, int *columns, int width, const char *colour,
                      const char *text)
{
    int need = (int)strlen(text) + (*columns > 0 ? 2 : 0);

    if (*columns + need > width)
        return false;
    buf_puts(line, *columns > 0 ? "  " : "");
    buf_printf(line, "%s%s%s", colour, text, colour[0] != '\0' ? PLAIN : "");
    *columns += need;
    return true;
}

#define N_PIECES 8

static void put_count(char piece[64], uint64_t n, const char *what)
{
    snprintf(piece, 64, "%" PRIu64 " %s%s", n, what, n == 1 ? "" : "s");
}

// A second without a completed request has no percentile.
static void put_latency(char piece[64], const char *name, uint64_t us)
{
    char text[32];

    snprintf(piece, 64, "%s %s", name, us > 0 ? str_us(us, text, sizeof(text)) : "-");
}

// The numbers in the order of their worth, so that a narrow terminal shows the first ones.
static char *numbers_line(const struct progress *p, const struct progress_numbers *n, int width)
{
    char piece[N_PIECES][64];
    const char *error_colour = p->colour && n->errors > 0 ? RED : "";
    struct buf line = {0};
    int columns = 0, i = 0;

    snprintf(piece[i++], 64, "%" PRId64 " s", n->elapsed_ms / 1000);
    put_count(piece[i++], n->requests, "request");
    snprintf(piece[i++], 64, "%.1f/s", n->rate);
    put_count(piece[i++], n->errors, "error");
    put_latency(piece[i++], "p50", n->p50_us);
    put_latency(piece[i++], "p99", n->p99_us);
    snprintf(piece[i++], 64, "%" PRIu64 " in flight", n->in_flight);
    put_count(piece[i++], n->workers, "worker");
    for (int k = 0; k < i; k++)
        if (!put_piece(&line, &columns, width, k == 3 ? error_colour : "", piece[k]))
            break;
    return buf_take(&line);
}

void progress_numbers(struct progress *p, const struct progress_numbers *n, struct mono now,
                      int width, struct buf *out)
{
    if (p->quiet)
        return;
    if (p->live) {
        char *line = numbers_line(p, n, width - 1);
        buf_printf(out, ERASE "%s", line);
        free(line);
        p->on_screen = true;
        p->shows_state = false;
        return;
    }
    if (p->has_printed && now.ns - p->last_plain.ns < PROGRESS_PERIOD_NS)
        return;
    char *line = numbers_line(p, n, INT16_MAX);
    buf_printf(out, "%s\n", line);
    free(line);
    p->has_printed = true;
    p->last_plain = now;
}
