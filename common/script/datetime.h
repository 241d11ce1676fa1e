// Dates and times in the custom formats of .NET, as its invariant culture writes them. PURE.
#pragma once

#include <stdint.h>

#include "common/str.h"

// Appends the instant as a clock offset_ms ahead of UTC shows it. format: runs of d f F g h H K m M
// s t y z, 'text', "text", \c, %c, or one letter of a standard format (d D f F g G m o r s t T u U
// y). 0, or -EINVAL: no such format; -ERANGE: not within the years 1 to 9999 there. out may have a
// part of it then.
int datetime_format(int64_t unix_ms, int64_t offset_ms, const char *format, struct buf *out);
