#include "common/script/method.h"

#include <stdlib.h>
#include <string.h>

#include "common/script/text.h"
#include "common/str.h"

const struct method *method_find(const char *name, size_t len)
{
    const struct method *m;

    for (size_t i = 0; (m = method_at(i, NULL)) != NULL; i++) {
        if (text_is(name, len, m->name))
            return m;
        for (const char *const *alias = m->aliases; alias && *alias; alias++)
            if (text_is(name, len, *alias))
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
