// Media types, of files by their names. PURE.
#pragma once

#include <stdbool.h>

// By the extension; application/octet-stream where it is not known. Static.
const char *mime_type(const char *path);
// Whether the value of a Content-Type field is of this type, whatever its parameters are.
bool mime_is(const char *field, const char *type);
