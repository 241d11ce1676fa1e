// A condition, a result and JSON, a line each: whatever they are, the search ends, and its results
// are JSON again.
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "common/script/item.h"
#include "common/script/match.h"
#include "common/script/value_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *next_line(const char **p, const char *end, size_t *ret_len)
{
    const char *line = *p, *newline = memchr(line, '\n', (size_t)(end - line));

    *p = newline != NULL ? newline + 1 : end;
    *ret_len = (size_t)((newline != NULL ? newline : end) - line);
    return line;
}

static void select_into(struct match_list *list, const struct item_select *select, json_t *item)
{
    struct value v = {0};

    item_select_apply(select, item, &v);
    match_list_add(list, &v);
    value_done(&v);
}

static void search(struct item_where *where, const struct item_select *select, json_t *items)
{
    static const struct method method = {.name = "find"};
    const struct call call = {.method = &method};
    struct match_list list = {0};
    struct script_env env = {0};
    struct value v = {0};

    for (size_t i = 0; i < json_array_size(items); i++) {
        struct tmpl_error error = {0};
        json_t *item = json_array_get(items, i);
        bool is = false;
        if (where != NULL && item_where_eval(where, item, &is, &error) < 0)
            assert(error.text[0] != '\0' && !is);
        if (select != NULL)
            select_into(&list, select, item);
    }
    match_list_give(&list, &call, &env, &v);
    assert(v.type == VALUE_UNDEFINED || value_is_parsed(&v, VALUE_JSON));
    value_done(&v);
    match_list_done(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data, *end = p + size;
    struct item_where *where = NULL;
    struct item_select *select = NULL;
    struct tmpl_error error = {0};
    size_t len;

    if (size == 0 || size > 10000)
        return 0;
    const char *line = next_line(&p, end, &len);
    if (item_where_compile(line, len, &where, &error) < 0)
        assert(error.text[0] != '\0');
    line = next_line(&p, end, &len);
    if (item_select_compile(line, len, &select, &error) < 0)
        assert(error.text[0] != '\0');
    json_t *items = json_loadb(p, (size_t)(end - p), JSON_ALLOW_NUL, NULL);
    if (items != NULL)
        search(where, select, items);
    json_decref(items);
    item_where_free(where);
    item_select_free(select);
    return 0;
}
