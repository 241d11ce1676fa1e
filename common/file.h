// Whole files of a bounded size. Any thread.
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "common/str.h"

// Appends the content to out. flags: O_NONBLOCK where a FIFO must keep nobody waiting, else 0.
// 0; -EFBIG: it has more than max bytes; -errno. out may have a part of it then.
int file_read(const char *path, int flags, size_t max, struct buf *out);
// Whole or not at all: a reader finds the old file or the new one. A link stays one, and a file
// that is there keeps its owner and mode; a new one has mode. 0 or -errno.
int file_replace(const char *path, const char *text, mode_t mode);
// A new one with mode. 0 or -errno: -EEXIST where there is one; it may have a part of bytes then.
int file_create(const char *path, mode_t mode, const char *bytes, size_t len);
