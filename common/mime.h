// Media types of files, by their names. PURE.
#pragma once

// By the extension; application/octet-stream where it is not known. Static.
const char *mime_type(const char *path);
