// Bodies of multipart/form-data (RFC 7578). PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/str.h"

#define MULTIPART_BOUNDARY_SIZE 22 // with its NUL

struct multipart_part {
    const char *name; // a file's is also its file name
    bool is_file;
    // NULL: of a field text/plain, of a file by the extension of its path. A field's text/* says
    // charset=utf-8 where it says no charset.
    const char *content_type;
    const char *path; // of a file
    const void *content;
    size_t len;
};

// A boundary that no part has in it; the same for the same parts and seed.
void multipart_boundary(const struct multipart_part *parts, size_t n_parts, uint64_t seed,
                        char ret_boundary[MULTIPART_BOUNDARY_SIZE]);
// Appends the body: fields, then files. The request says
// "Content-Type: multipart/form-data; boundary=" and the boundary.
void multipart_append(const struct multipart_part *parts, size_t n_parts, const char *boundary,
                      struct buf *out);
