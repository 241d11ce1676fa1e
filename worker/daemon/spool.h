// Windows on their way to the master: numbered when first sent, kept until acknowledged, bounded in
// memory. PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lps.pb-c.h"

#define SPOOL_BYTES_MAX  (64 * 1024 * 1024)
#define SPOOL_WINDOW_MAX (768 * 1024) // packed; a larger window becomes several of the same second

struct spool;

struct spool *spool_new(size_t bytes_max, uint32_t n_series);
void spool_free(struct spool *sp);

// Borrows window, one that wire_window_decode takes. When the spool is full, neighbours that were
// never sent are merged into the later second; what was sent is neither merged nor dropped.
void spool_add(struct spool *sp, const Lps__V1__Window *window);
// The next to send on this stream, with its number; the caller frees it. False: nothing to send
// now, or half of bytes_max is on its way.
bool spool_peek(const struct spool *sp, uint64_t *ret_seq, Lps__V1__Window **ret_window);
// What spool_peek gave went out.
void spool_sent(struct spool *sp);
// Everything up to last_seq is committed.
void spool_ack(struct spool *sp, uint64_t last_seq);
// The stream is lost: all that is not acknowledged is to be sent again.
void spool_rewind(struct spool *sp);
// A new stream to a master that has committed up to last_seq. 0, or -ENODATA: it acknowledged more
// before, and that is gone.
int spool_resume(struct spool *sp, uint64_t last_seq);

bool spool_is_empty(const struct spool *sp);     // all acknowledged
bool spool_all_sent(const struct spool *sp);     // on this stream
uint64_t spool_next_seq(const struct spool *sp); // of the next first sending
size_t spool_bytes(const struct spool *sp);
