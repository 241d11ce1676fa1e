#include "worker/daemon/spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/metrics.h"
#include "common/str.h"
#include "common/wire.h"

struct entry {
    uint64_t seq; // 0: never sent
    int64_t k;
    uint8_t *bytes;
    size_t len;
};

struct spool {
    size_t bytes_max, bytes;
    uint32_t n_series;
    struct entry *entry; // the oldest is entry[head]
    size_t head, n, cap;
    size_t n_out;     // of the oldest: sent on this stream
    size_t bytes_out; // theirs
    uint64_t next_seq, acked_seq;
};

struct spool *spool_new(size_t bytes_max, uint32_t n_series)
{
    struct spool *sp = xcalloc(1, sizeof *sp);

    *sp = (struct spool){.bytes_max = bytes_max, .n_series = n_series, .next_seq = 1};
    return sp;
}

void spool_free(struct spool *sp)
{
    if (sp == NULL)
        return;
    for (size_t i = 0; i < sp->n; i++)
        free(sp->entry[sp->head + i].bytes);
    free(sp->entry);
    free(sp);
}

static struct entry *at(const struct spool *sp, size_t i)
{
    return &sp->entry[sp->head + i];
}

static size_t cost(const struct entry *e)
{
    return e->len + sizeof *e;
}

static struct entry pack(const Lps__V1__Window *window)
{
    struct entry e = {.k = window->k, .len = lps__v1__window__get_packed_size(window)};

    e.bytes = xcalloc(1, e.len + 1);
    lps__v1__window__pack(window, e.bytes);
    return e;
}

static void append(struct spool *sp, struct entry e)
{
    if (sp->head + sp->n == sp->cap) {
        if (sp->head > 0)
            memmove(sp->entry, sp->entry + sp->head, sp->n * sizeof *sp->entry);
        sp->head = 0;
        if (sp->n * 2 >= sp->cap) {
            sp->cap = sp->cap * 2 + 16;
            sp->entry = xreallocarray(sp->entry, sp->cap, sizeof *sp->entry);
        }
    }
    *at(sp, sp->n++) = e;
    sp->bytes += cost(&e);
}

static struct metrics_window *decoded(const struct spool *sp, const struct entry *e)
{
    struct metrics_window *w = NULL;
    Lps__V1__Window *message = lps__v1__window__unpack(NULL, e->len, e->bytes);

    if (message != NULL)
        wire_window_decode(message, sp->n_series, &w);
    lps__v1__window__free_unpacked(message, NULL);
    return w;
}

// Two seconds as one, the later; true unless that would be too large.
static bool merge(const struct spool *sp, const struct entry *a, const struct entry *b,
                  struct entry *ret_entry)
{
    struct metrics_window *into = decoded(sp, a), *from = decoded(sp, b);
    bool ok = into != NULL && from != NULL;

    if (ok) {
        for (uint32_t i = 0; i < sp->n_series; i++)
            metrics_merge_later(&into->series[i], &from->series[i]);
        metrics_merge_later_health(&into->health, &from->health);
        into->k = from->k;
        Lps__V1__Window *message = wire_window_encode(into);
        struct entry e = pack(message);
        lps__v1__window__free_unpacked(message, NULL);
        ok = e.len <= SPOOL_WINDOW_MAX;
        if (ok)
            *ret_entry = e;
        else
            free(e.bytes);
    }
    metrics_window_free(into);
    metrics_window_free(from);
    return ok;
}

// One pass over what was never sent: each two neighbours become one, so that the resolution of all
// of it is halved and none of it is lost.
static bool thin(struct spool *sp)
{
    size_t first = 0, kept;
    bool any = false;

    while (first < sp->n && at(sp, first)->seq != 0)
        first++;
    kept = first;
    for (size_t i = first; i < sp->n; kept++) {
        struct entry *a = at(sp, i), *b = i + 1 < sp->n ? at(sp, i + 1) : NULL, merged;
        if (b == NULL || !merge(sp, a, b, &merged)) {
            *at(sp, kept) = *a;
            i++;
            continue;
        }
        sp->bytes -= cost(a) + cost(b);
        sp->bytes += cost(&merged);
        free(a->bytes);
        free(b->bytes);
        *at(sp, kept) = merged;
        i += 2;
        any = true;
    }
    sp->n = kept;
    return any;
}

static void add_piece(struct spool *sp, const Lps__V1__Window *window)
{
    append(sp, pack(window));
    while (sp->bytes > sp->bytes_max && thin(sp))
        ;
}

// Pieces of the window by series, each small enough for one message.
static void add_in_pieces(struct spool *sp, const Lps__V1__Window *window)
{
    Lps__V1__Window piece = *window;
    size_t size = 0;

    piece.n_series = 0;
    for (size_t i = 0; i < window->n_series; i++) {
        size_t more = lps__v1__series_delta__get_packed_size(window->series[i]) + 16;
        if (piece.n_series > 0 && size + more > SPOOL_WINDOW_MAX - 64) {
            add_piece(sp, &piece);
            piece.series += piece.n_series;
            piece.n_series = size = 0;
            piece.health = NULL;
        }
        piece.n_series++;
        size += more;
    }
    add_piece(sp, &piece);
}

void spool_add(struct spool *sp, const Lps__V1__Window *window)
{
    if (lps__v1__window__get_packed_size(window) <= SPOOL_WINDOW_MAX)
        add_piece(sp, window);
    else
        add_in_pieces(sp, window);
}

bool spool_peek(const struct spool *sp, uint64_t *ret_seq, Lps__V1__Window **ret_window)
{
    if (sp->n_out == sp->n || (sp->n_out > 0 && sp->bytes_out >= sp->bytes_max / 2))
        return false;
    const struct entry *e = at(sp, sp->n_out);
    *ret_seq = e->seq != 0 ? e->seq : sp->next_seq;
    *ret_window = lps__v1__window__unpack(NULL, e->len, e->bytes);
    return *ret_window != NULL;
}

void spool_sent(struct spool *sp)
{
    struct entry *e = at(sp, sp->n_out);

    if (e->seq == 0)
        e->seq = sp->next_seq++;
    sp->n_out++;
    sp->bytes_out += cost(e);
}

void spool_ack(struct spool *sp, uint64_t last_seq)
{
    while (sp->n > 0 && at(sp, 0)->seq != 0 && at(sp, 0)->seq <= last_seq) {
        struct entry *e = at(sp, 0);
        sp->bytes -= cost(e);
        if (sp->n_out > 0) {
            sp->n_out--;
            sp->bytes_out -= cost(e);
        }
        sp->acked_seq = e->seq;
        free(e->bytes);
        sp->head++;
        sp->n--;
    }
}

void spool_rewind(struct spool *sp)
{
    sp->n_out = sp->bytes_out = 0;
}

int spool_resume(struct spool *sp, uint64_t last_seq)
{
    if (last_seq < sp->acked_seq)
        return -ENODATA;
    spool_ack(sp, last_seq);
    spool_rewind(sp);
    return 0;
}

bool spool_is_empty(const struct spool *sp)
{
    return sp->n == 0;
}

bool spool_all_sent(const struct spool *sp)
{
    return sp->n_out == sp->n;
}

uint64_t spool_next_seq(const struct spool *sp)
{
    return sp->next_seq;
}

size_t spool_bytes(const struct spool *sp)
{
    return sp->bytes;
}
