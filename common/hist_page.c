#include "common/hist_page.h"

#include <stdlib.h>
#include <string.h>

enum {
    LOG_BITS_MIN = 1,
    WORD_BITS = 64,
    // So few bits are counters that take less when added one by one than when spread: a second of
    // one worker, merged into the sum of many.
    SPARSE_MAX = 24,
};

const uint64_t hist_page_full[] = {1, 3, 15, UINT8_MAX, UINT16_MAX, UINT32_MAX, UINT64_MAX};

static uint32_t n_words(uint32_t log_bits)
{
    return (HIST_PAGE / WORD_BITS) << log_bits;
}

static size_t bytes_of(uint32_t log_bits)
{
    return sizeof(struct hist_page) + n_words(log_bits) * sizeof(uint64_t);
}

static uint32_t log_bits_for(uint64_t count)
{
    uint32_t log_bits = LOG_BITS_MIN;

    while (count > hist_page_full[log_bits])
        log_bits++;
    return log_bits;
}

static struct hist_page *new_page(uint32_t log_bits)
{
    struct hist_page *page = xcalloc(1, bytes_of(log_bits));

    page->log_bits = log_bits;
    return page;
}

size_t hist_page_bytes(const struct hist_page *page)
{
    return bytes_of(page->log_bits);
}

void hist_page_clear(struct hist_page *page)
{
    memset(page->word, 0, n_words(page->log_bits) * sizeof *page->word);
}

// Copies the counters of a page into words where they are wider.
static void spread(uint64_t *to, uint32_t to_log_bits, const struct hist_page *from)
{
    uint32_t log_ratio = to_log_bits - from->log_bits, part = WORD_BITS >> log_ratio;
    uint32_t to_bits = 1U << to_log_bits, from_bits = 1U << from->log_bits;

    for (uint32_t i = 0; i < n_words(to_log_bits); i++)
        to[i] = from->word[i >> log_ratio] >> i % (1U << log_ratio) * part & hist_low_bits(part);
    // In each word its counters are side by side now: halves of them move apart, then their halves.
    for (uint32_t n = WORD_BITS / to_bits / 2; n > 0; n /= 2) {
        uint32_t shift = n * (to_bits - from_bits);
        uint64_t keep = UINT64_MAX / hist_low_bits(n * to_bits) * hist_low_bits(n * from_bits);
        for (uint32_t i = 0; i < n_words(to_log_bits); i++)
            to[i] = (to[i] | to[i] << shift) & keep;
    }
}

static void widen(struct hist_page **page, uint32_t log_bits)
{
    struct hist_page *wide = new_page(log_bits);

    spread(wide->word, log_bits, *page);
    free(*page);
    *page = wide;
}

void hist_page_add(struct hist_page **page, uint32_t at, uint64_t n)
{
    if (*page == NULL)
        *page = new_page(log_bits_for(n));
    uint32_t bit = at << (*page)->log_bits;
    uint64_t full = hist_page_full[(*page)->log_bits];
    uint64_t sum = ((*page)->word[bit / WORD_BITS] >> bit % WORD_BITS & full) + n;
    if (sum > full) {
        widen(page, log_bits_for(sum));
        bit = at << (*page)->log_bits;
    }
    (*page)->word[bit / WORD_BITS] += n << bit % WORD_BITS;
}

// Adds up words of counters, all at once; false, with nothing changed: one would carry into the
// next.
static bool add_words(struct hist_page *into, const uint64_t *word)
{
    uint32_t n = n_words(into->log_bits);
    uint64_t full = hist_page_full[into->log_bits], carry = 0;
    uint64_t top = UINT64_MAX / full * (full ^ full >> 1); // the highest bit of each counter

    for (uint32_t i = 0; i < n; i++) {
        uint64_t a = into->word[i], b = word[i];
        carry |= (a & b) | ((a | b) & ~(a + b));
    }
    if ((carry & top) != 0)
        return false;
    for (uint32_t i = 0; i < n; i++)
        into->word[i] += word[i];
    return true;
}

// How many bits are 1, at most SPARSE_MAX + 1.
static uint32_t count_bits(const struct hist_page *page)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < n_words(page->log_bits) && n <= SPARSE_MAX; i++)
        for (uint64_t rest = page->word[i]; rest != 0 && n <= SPARSE_MAX; rest &= rest - 1)
            n++;
    return n;
}

static void add_one_by_one(struct hist_page **into, const struct hist_page *from)
{
    uint32_t bits = 1U << from->log_bits;
    uint64_t full = hist_page_full[from->log_bits];

    for (uint32_t i = 0; i < n_words(from->log_bits); i++) {
        for (uint64_t rest = from->word[i]; rest != 0;) {
            uint32_t shift = (uint32_t)__builtin_ctzll(rest) & -bits;
            hist_page_add(into, (i * WORD_BITS + shift) >> from->log_bits, rest >> shift & full);
            rest &= ~(full << shift);
        }
    }
}

void hist_page_merge(struct hist_page **into, const struct hist_page *from)
{
    uint64_t wide[HIST_PAGE];
    const uint64_t *word = from->word;

    uint32_t n_bits = count_bits(from);
    if (n_bits == 0) // a page that a reset kept
        return;
    if (*into == NULL) {
        *into = xmemdup(from, hist_page_bytes(from));
        return;
    }
    if ((*into)->log_bits < from->log_bits)
        widen(into, from->log_bits);
    if ((*into)->log_bits > from->log_bits && n_bits <= SPARSE_MAX) {
        add_one_by_one(into, from);
        return;
    }
    for (;;) {
        if ((*into)->log_bits > from->log_bits) {
            spread(wide, (*into)->log_bits, from);
            word = wide;
        }
        if (add_words(*into, word))
            return;
        widen(into, (*into)->log_bits + 1);
    }
}

void hist_page_unpack(const struct hist_page *page, struct hist_counts *ret_counts)
{
    uint32_t bits = 1U << page->log_bits, n = 0;
    uint64_t full = hist_page_full[page->log_bits];

    for (uint32_t i = 0; i < n_words(page->log_bits); i++) {
        for (uint64_t rest = page->word[i]; rest != 0;) {
            uint32_t shift = (uint32_t)__builtin_ctzll(rest) & -bits;
            ret_counts->at[n] = (uint8_t)((i * WORD_BITS + shift) >> page->log_bits);
            ret_counts->count[n++] = rest >> shift & full;
            rest &= ~(full << shift);
        }
    }
    ret_counts->n = n;
}

struct hist_page *hist_page_pack(const struct hist_counts *counts)
{
    uint64_t any = 0, bits = 0;

    for (uint32_t i = 0; i < counts->n; i++)
        any |= counts->count[i];
    uint32_t log_bits = log_bits_for(any), at = 0;
    struct hist_page *page = new_page(log_bits);
    for (uint32_t i = 0; i < counts->n; i++) {
        uint32_t bit = (uint32_t)counts->at[i] << log_bits;
        if (bit / WORD_BITS != at) { // each word is written once: faster than |= for each counter
            page->word[at] = bits;
            at = bit / WORD_BITS;
            bits = 0;
        }
        bits |= counts->count[i] << bit % WORD_BITS;
    }
    page->word[at] = bits;
    return page;
}
