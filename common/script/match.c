#include "common/script/match.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "common/script/jpath.h"

static const struct {
    const char *name;
    enum match_kind kind;
} kinds[] = {
    {"first", MATCH_FIRST},
    {"last", MATCH_LAST},
    {"count", MATCH_COUNT},
    {"all", MATCH_ALL},
};

static const char index_name[] = "index:";
#define INDEX_LEN (sizeof index_name - 1)

struct match match_read(const struct call *call, size_t i, struct script_env *env)
{
    struct match match = {.kind = MATCH_UNDEFINED};
    struct buf text = {0};
    uint64_t index;

    call_text(call, i, env, &text);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        if (strcasecmp(text.data, kinds[k].name) == 0)
            match.kind = kinds[k].kind;
    if (strncasecmp(text.data, index_name, INDEX_LEN) == 0) {
        match.kind = MATCH_INDEX;
        const char *digits = text.data + INDEX_LEN;
        if (str_parse_u64(digits + strspn(digits, " "), 0, UINT32_MAX, &index) == 0)
            match.index = index;
        else
            script_warn(env, "%s: the index in match is no whole number from 0, and taken as 0",
                        call->method->name);
    } else if (match.kind == MATCH_UNDEFINED) {
        match.kind = MATCH_FIRST;
        script_warn(env, "%s: match is none of first, last, index:N, count, all: taken as first",
                    call->method->name);
    }
    buf_done(&text);
    return match;
}

// What is no UTF-8 has "?" for each byte beyond ASCII: JSON has no other text.
static json_t *to_string(const char *text, size_t len)
{
    json_t *string = json_stringn(text, len);

    if (string != NULL)
        return string;
    char *ascii = xmemdup(text, len);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)ascii[i] >= 0x80)
            ascii[i] = '?';
    string = json_stringn_nocheck(ascii, len);
    free(ascii);
    return string;
}

void match_list_add(struct match_list *list, const struct value *v)
{
    buf_puts(&list->json, list->json.len == 0 ? "[" : ",");
    if (v->type == VALUE_UNDEFINED) {
        buf_puts(&list->json, "null");
    } else if (v->type == VALUE_STRING) {
        json_t *string = to_string(v->text, v->len);
        jpath_append_json(string, &list->json);
        json_decref(string);
    } else {
        buf_append(&list->json, v->text, v->len);
    }
}

bool match_list_is_full(const struct match_list *list)
{
    return list->json.len >= VALUE_BYTES_MAX;
}

void match_list_give(struct match_list *list, const struct call *call, struct script_env *env,
                     struct value *ret_value)
{
    if (match_list_is_full(list)) {
        script_warn(env, "%s: the result has more than %d bytes", call->method->name,
                    VALUE_BYTES_MAX);
    } else {
        buf_puts(&list->json, list->json.len == 0 ? "[]" : "]");
        value_set(ret_value, VALUE_JSON, false, list->json.data, list->json.len);
    }
}

void match_list_done(struct match_list *list)
{
    buf_done(&list->json);
}
