// What the parts of har share. PURE.
#pragma once

#include "worker/cli/har.h"

struct har_url {
    char *host; // lower case, without port
    unsigned port;
    char *path; // as it is, without query and fragment; "" or with '/'
};

// Of http:// and https:// alone. 0 or -EINVAL.
int har_url_parse(const char *text, struct har_url *ret_url);
void har_url_done(struct har_url *url);

// A member that is a text without NUL; else NULL.
const char *har_text(const json_t *object, const char *key);
bool har_has(struct har_list list, const char *word); // letter case aside
bool har_has_part(struct har_list list, const char *text);

// The httpRequest of a recorded request, whose URL and method are good. A new reference.
json_t *har_request(const json_t *request, const struct har_options *o, struct har *h);
// "GET_cart_items": not unique yet. The caller frees.
char *har_name(const char *method, const struct har_url *url);
