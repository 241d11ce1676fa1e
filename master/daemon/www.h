// The dashboard's files, gzip-compressed, generated at build time from master/www. PURE.
#pragma once

#include <stddef.h>

struct www_asset {
    const char *path, *type, *etag;
    const unsigned char *gzip;
    size_t len;
};

extern const struct www_asset www_assets[];
extern const size_t www_n_assets;
