// Whole files of a bounded size. Any thread.
#pragma once

#include <stddef.h>

#include "common/str.h"

// Appends the content to out. flags: O_NONBLOCK where a FIFO must keep nobody waiting, else 0.
// 0; -EFBIG: it has more than max bytes; -errno. out may have a part of it then.
int file_read(const char *path, int flags, size_t max, struct buf *out);
