// The reference page of methods, out of their table. PURE.
#pragma once

#include "common/str.h"

// Appends all of docs/methods.md.
void method_page(struct buf *out);
