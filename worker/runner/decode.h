// Content-Encoding undone (RFC 9110 section 8.4), for bodies that something reads. PURE.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/str.h"

struct decode;

// encoding: the field's value; NULL, "" and "identity": the bytes as they are; "gzip", "x-gzip",
// "deflate" (with the zlib frame, or without, as some servers send it). -EOPNOTSUPP: another one,
// or several. No more than max bytes will come out.
int decode_new(const char *encoding, uint64_t max, struct decode **ret_decode);
void decode_free(struct decode *d);

// Appends what the next bytes of the body come to. 0; -EBADMSG (they are not in this encoding) or
// -EFBIG (there is more than max), after which out has what came before, and further calls say the
// same and append nothing. What follows the end of the encoding is skipped.
int decode_feed(struct decode *d, const void *bytes, size_t n, struct buf *out);
// The body is over. 0; -EBADMSG: within the encoding, or as decode_feed said. No bytes at all are
// an empty body.
int decode_end(const struct decode *d);
