// Composite formatting, as .NET has it: "{0}, {1,-8}, {2:F2}, {{ }}". PURE.
#pragma once

#include "common/script/method.h"
#include "common/script/text.h"

#define METHOD_FORMAT_ARGS_MAX   100
#define METHOD_FORMAT_WIDTH_MAX  1000
#define METHOD_FORMAT_DIGITS_MAX 99

// Appends text with the items of list in it. Of a number, D, X (whole ones), F and N, in either
// case and with a number of digits, say how it is written. What is behind the colon and is none of
// them, or does not fit, is left out with a warning. 0, or -EINVAL with a warning: a brace without
// its other, an item that there is not, too wide.
int method_format(const struct call *call, struct script_env *env, const char *text, size_t len,
                  struct text_list *list, struct buf *out);
