#include "common/script/method.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/str.h"

static bool is(const char *known, const char *name, size_t len)
{
    return strlen(known) == len && strncasecmp(known, name, len) == 0;
}

const struct method *method_find(const char *name, size_t len)
{
    const struct method *m;

    for (size_t i = 0; (m = method_at(i, NULL)) != NULL; i++) {
        if (is(m->name, name, len))
            return m;
        for (const char *const *alias = m->aliases; alias && *alias; alias++)
            if (is(*alias, name, len))
                return m;
    }
    return NULL;
}

const char *method_nearest(const char *name, size_t len)
{
    const struct method *m;
    const char **names = NULL;
    size_t n = 0, cap = 0;

    for (size_t i = 0; (m = method_at(i, NULL)) != NULL; i++) {
        const char *const *alias = m->aliases;
        for (const char *next = m->name; next != NULL; next = alias ? *alias++ : NULL) {
            if (n == cap)
                names = xreallocarray(names, cap = 2 * cap + 64, sizeof *names);
            names[n++] = next;
        }
    }
    char *word = xstrndup(name, len);
    const char *nearest = str_nearest(word, names, n);
    free(word);
    free(names);
    return nearest;
}
