#include "worker/cli/plan_find.h"

#include <strings.h>

json_t *plan_find_named(const json_t *list, const char *name)
{
    json_t *element;
    size_t i;

    json_array_foreach(list, i, element)
    {
        const char *is = json_string_value(json_object_get(element, "name"));
        if (is != NULL && strcasecmp(is, name) == 0)
            return element;
    }
    return NULL;
}

json_t *plan_find_header(json_t *headers, const char *name)
{
    const char *key;
    json_t *value;

    json_object_foreach(headers, key, value) if (strcasecmp(key, name) == 0) return value;
    return NULL;
}
