// Dates of HTTP fields. PURE.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Unix time of a date as servers write it (RFC 6265 section 5.1.1). 0 or -EINVAL.
int http_date_parse(const char *text, size_t len, int64_t *ret_s);
