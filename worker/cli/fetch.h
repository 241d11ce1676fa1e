// One GET of an http URL, before a test. Main thread; blocks, at most half a minute.
#pragma once

#include <stddef.h>

#include "common/str.h"

#define FETCH_WHY_MAX 256

// Appends the content to out, after redirects. 0; -EFBIG: it has more than max bytes; or another
// -errno and into why what was found and what was expected. out may have a part of it then.
int fetch(const char *url, size_t max, struct buf *out, char why[FETCH_WHY_MAX]);
