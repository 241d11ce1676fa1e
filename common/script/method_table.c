#include "common/script/method_groups.h"

static const struct {
    const char *heading;
    const struct method *methods;
    const size_t *n;
} groups[] = {
#define METHOD_GROUP_ROW(group, heading) {heading, methods_##group, &n_methods_##group},
    METHOD_GROUPS(METHOD_GROUP_ROW)
#undef METHOD_GROUP_ROW
};

const struct method *method_at(size_t i, const char **ret_heading)
{
    for (size_t g = 0; g < sizeof groups / sizeof *groups; i -= *groups[g++].n)
        if (i < *groups[g].n) {
            if (ret_heading != NULL)
                *ret_heading = groups[g].heading;
            return &groups[g].methods[i];
        }
    return NULL;
}
