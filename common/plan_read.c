#include "common/plan_impl.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/jtext.h"
#include "common/script/expr.h"
#include "common/script/regex.h"
#include "common/script/tmpl.h"
#include "common/str.h"

static const char *const aliases[][2] = {
    {"delay", "startupDelay"},
    {"method", "httpMethod"},
    {"version", "httpVersion"},
    {"headers", "httpHeaders"},
    {"reference", "referencedIterations"},
};

static bool is_key(const struct plan_reader *r, const char *key, const char *name)
{
    return (r->source != NULL ? strcasecmp(key, name) : strcmp(key, name)) == 0;
}

static bool is_one_of(const struct plan_reader *r, const char *key, const char *const *known,
                      size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is_key(r, key, known[i]))
            return true;
    return false;
}

// The member of this name; *ret_key as the object spells it.
static json_t *find(const struct plan_reader *r, json_t *object, const char *name,
                    const char **ret_key)
{
    json_t *found = json_object_get(object, name), *value;
    const char *key;

    *ret_key = name;
    if (r->source == NULL)
        return found;
    json_object_foreach(object, key, value)
    {
        if (found == NULL && strcasecmp(key, name) == 0) {
            *ret_key = key;
            found = value;
        }
    }
    return json_is_null(found) ? NULL : found;
}

static json_t *find_either(const struct plan_reader *r, json_t *object, const char *name,
                           const char **ret_key)
{
    json_t *value = find(r, object, name, ret_key);

    for (size_t i = 0; value == NULL && i < PLAN_N_OF(aliases); i++) {
        if (strcmp(aliases[i][0], name) == 0) {
            value = find(r, object, aliases[i][1], ret_key);
            if (value == NULL)
                *ret_key = name;
        }
    }
    return value;
}

json_t *plan_find(struct plan_reader *r, json_t *object, const char *key)
{
    return find_either(r, object, key, &key);
}

const char *plan_key(struct plan_reader *r, json_t *object, const char *key)
{
    find_either(r, object, key, &key);
    return key;
}

// A key in two letter cases, or a name with its alias.
static void check_twice(struct plan_reader *r, json_t *object, const char *const *known,
                        size_t n_known)
{
    const char *key, *first, *second;
    json_t *value;

    for (size_t i = 0; r->source != NULL && i < n_known; i++) {
        first = NULL;
        json_object_foreach(object, key, value)
        {
            if (strcasecmp(key, known[i]) != 0)
                continue;
            if (first != NULL)
                jcheck_fail_key(&r->c, key, "found \"%s\" and \"%s\", expected one of them", first,
                                key);
            first = key;
        }
    }
    for (size_t i = 0; i < PLAN_N_OF(aliases); i++)
        if (is_one_of(r, aliases[i][0], known, n_known) &&
            find(r, object, aliases[i][0], &first) != NULL &&
            find(r, object, aliases[i][1], &second) != NULL)
            jcheck_fail_key(&r->c, second, "found \"%s\" and \"%s\", expected one of them", first,
                            second);
}

void plan_check_keys(struct plan_reader *r, json_t *object, const char *const *known,
                     size_t n_known)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        if (is_one_of(r, key, known, n_known))
            continue;
        if (strcasecmp(key, "failureCriteria") == 0)
            jcheck_fail_key(&r->c, key,
                            "found \"%s\", expected \"failureRules\", a list such as [{\"metric\": "
                            "\"ErrorRate > 0.05\"}]",
                            key);
        else
            jcheck_unknown(&r->c, key, known, n_known);
    }
    check_twice(r, object, known, n_known);
}

json_t *plan_require(struct plan_reader *r, json_t *object, const char *key)
{
    json_t *value = plan_find(r, object, key);

    if (value == NULL)
        jcheck_fail(&r->c, "found no \"%s\", expected one", key);
    return value;
}

json_t *plan_enter(struct plan_reader *r, json_t *object, const char *key,
                   struct jcheck_place *ret_back)
{
    json_t *value = find_either(r, object, key, &key);

    if (value != NULL)
        *ret_back = jcheck_key(&r->c, key);
    return value;
}

json_t *plan_enter_object(struct plan_reader *r, json_t *object, const char *key,
                          struct jcheck_place *ret_back)
{
    json_t *value = plan_enter(r, object, key, ret_back);

    if (value != NULL && jcheck_object(&r->c, value) < 0) {
        jcheck_leave(&r->c, *ret_back);
        return NULL;
    }
    return value;
}

json_t *plan_enter_list(struct plan_reader *r, json_t *object, const char *key, size_t max,
                        struct jcheck_place *ret_back)
{
    json_t *list = plan_enter(r, object, key, ret_back);

    if (list == NULL)
        return NULL;
    int result = jcheck_list(&r->c, list);
    if (result == 0 && json_array_size(list) > max)
        result = jcheck_fail(&r->c, "found %zu elements, expected at most %zu",
                             json_array_size(list), max);
    if (result < 0) {
        jcheck_leave(&r->c, *ret_back);
        return NULL;
    }
    return list;
}

void *plan_read_list(struct plan_reader *r, json_t *object, const char *key, size_t max,
                     size_t element_size, plan_read_fn *read, size_t *ret_n)
{
    struct jcheck_place outer, back;
    json_t *list = plan_enter_list(r, object, key, max, &outer);
    size_t n = json_array_size(list);
    char *elements = NULL;

    if (list == NULL)
        return NULL;
    if (n > 0)
        elements = xcalloc(n, element_size);
    for (size_t i = 0; i < n; i++) {
        json_t *json = json_array_get(list, i);
        back = jcheck_index(&r->c, i);
        if (jcheck_object(&r->c, json) == 0)
            read(r, json, elements + i * element_size);
        jcheck_leave(&r->c, back);
    }
    jcheck_leave(&r->c, outer);
    *ret_n = n;
    return elements;
}

void plan_warn(struct plan_reader *r, const char *fmt, ...)
{
    struct diag *d = r->c.d;
    va_list ap;

    va_start(ap, fmt);
    char *text = xvasprintf(fmt, ap);
    va_end(ap);
    r->c.d = r->source->warnings;
    jcheck_fail(&r->c, "%s", text);
    r->c.d = d;
    free(text);
}

int plan_fail_at(struct plan_reader *r, json_t *object, const char *key, const char *fmt, ...)
{
    struct jcheck_place back = jcheck_key(&r->c, plan_key(r, object, key));
    va_list ap;

    va_start(ap, fmt);
    char *text = xvasprintf(fmt, ap);
    va_end(ap);
    int result = jcheck_fail(&r->c, "%s", text);
    free(text);
    jcheck_leave(&r->c, back);
    return result;
}

int plan_wrong(struct plan_reader *r, const char *text, const char *expected)
{
    json_t *json = json_string(text);
    char quote[JTEXT_QUOTE_SIZE];

    jcheck_fail(&r->c, "found %s, expected %s", jtext_quote(json, quote, sizeof quote), expected);
    json_decref(json);
    return -EINVAL;
}

char *plan_none_such(const char *what, const char *name, char *const *names, size_t n)
{
    const char *nearest = str_nearest(name, (const char *const *)names, n);

    return xasprintf("there is no %s \"%s\"%s%s%s", what, name,
                     nearest != NULL ? ", did you mean \"" : "", nearest != NULL ? nearest : "",
                     nearest != NULL ? "\"?" : "");
}

char *plan_text(struct plan_reader *r, const json_t *json)
{
    bool is_scalar = json_is_number(json) || json_is_boolean(json);
    const char *text;

    if (r->source != NULL && r->c.places == NULL && is_scalar)
        return json_dumps(json, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    return jcheck_text(&r->c, json, &text) == 0 ? xstrdup(text) : NULL;
}

char *plan_setup(struct plan_reader *r, const json_t *json, bool may_be_secret)
{
    char *text = plan_text(r, json), *out = NULL;

    if (text == NULL || r->source == NULL || strchr(text, '$') == NULL)
        return text;
    plan_render(r, text, strlen(text), may_be_secret, false, &out);
    free(text);
    return out;
}

uint64_t plan_read_count(struct plan_reader *r, json_t *object, const char *key, uint64_t min,
                         uint64_t max, uint64_t dflt)
{
    struct jcheck_place back;
    json_t *value = plan_enter(r, object, key, &back);
    uint64_t count = dflt;
    char range[80], *text;

    if (value == NULL)
        return dflt;
    if (r->source == NULL || !json_is_string(value)) {
        jcheck_u64(&r->c, value, min, max, &count);
    } else if ((text = plan_setup(r, value, false)) != NULL) {
        snprintf(range, sizeof range, "a whole number, %" PRIu64 " to %" PRIu64, min, max);
        if (str_parse_u64(text, min, max, &count) < 0)
            plan_wrong(r, text, range);
        free(text);
    }
    jcheck_leave(&r->c, back);
    return count;
}

bool plan_read_bool(struct plan_reader *r, json_t *object, const char *key)
{
    struct jcheck_place back;
    json_t *value = plan_enter(r, object, key, &back);
    bool is = false;
    char *text;

    if (value == NULL)
        return false;
    if (r->source == NULL || !json_is_string(value)) {
        jcheck_bool(&r->c, value, &is);
    } else if ((text = plan_setup(r, value, false)) != NULL) {
        if (str_parse_bool(text, &is) < 0)
            plan_wrong(r, text, "true or false");
        free(text);
    }
    jcheck_leave(&r->c, back);
    return is;
}

int plan_read_word(struct plan_reader *r, json_t *object, const char *key,
                   const struct plan_word *words, size_t n_words, const char *expected, int dflt)
{
    struct jcheck_place back;
    json_t *value = plan_enter(r, object, key, &back);
    int found = 0;

    if (value == NULL)
        return dflt;
    char *text = plan_setup(r, value, false);
    if (text != NULL) {
        for (size_t i = 0; i < n_words; i++)
            if (is_key(r, text, words[i].text))
                found = words[i].value;
        if (found == 0)
            plan_wrong(r, text, expected);
    }
    free(text);
    jcheck_leave(&r->c, back);
    return found;
}

// NULL instead of what is empty, or too long.
static char *check_length(struct plan_reader *r, char *text, size_t max)
{
    if (text != NULL && strlen(text) > max)
        jcheck_fail(&r->c, "found %zu bytes, expected at most %zu", strlen(text), max);
    else if (text != NULL && *text != '\0')
        return text;
    free(text);
    return NULL;
}

char *plan_read_text(struct plan_reader *r, json_t *object, const char *key, size_t max,
                     bool may_be_secret)
{
    struct jcheck_place back;
    json_t *value = plan_enter(r, object, key, &back);

    if (value == NULL)
        return NULL;
    char *text = check_length(r, plan_setup(r, value, may_be_secret), max);
    jcheck_leave(&r->c, back);
    return text;
}

char *plan_read_regex(struct plan_reader *r, json_t *object, const char *key)
{
    char *text = plan_read_text(r, object, key, REGEX_BYTES_MAX, false), why[300];
    struct regex *regex;

    if (text == NULL)
        return NULL;
    if (regex_compile(text, why, sizeof why, &regex) == 0) {
        regex_free(regex);
        return text;
    }
    plan_fail_at(r, object, key, "%s", why);
    free(text);
    return NULL;
}

char *plan_read_template(struct plan_reader *r, json_t *object, const char *key, size_t max)
{
    struct jcheck_place back;
    json_t *value = plan_enter(r, object, key, &back);

    if (value == NULL)
        return NULL;
    char *text = check_length(r, plan_text(r, value), max);
    if (text != NULL)
        plan_check_template(r, text, false);
    jcheck_leave(&r->c, back);
    return text;
}

char **plan_read_hooks(struct plan_reader *r, json_t *object, const char *key, size_t *ret_n)
{
    struct jcheck_place outer;
    json_t *list = plan_enter_list(r, object, key, PLAN_HOOKS_MAX, &outer);
    size_t n = 0;

    if (list == NULL)
        return NULL;
    char **hooks = xcalloc(json_array_size(list) + 1, sizeof *hooks);
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct jcheck_place back = jcheck_index(&r->c, i);
        char *text = plan_text(r, json_array_get(list, i));
        if (text != NULL)
            plan_check_template(r, text, false);
        if (text != NULL)
            hooks[n++] = text;
        jcheck_leave(&r->c, back);
    }
    jcheck_leave(&r->c, outer);
    *ret_n = n;
    return hooks;
}

static int check_name(struct plan_reader *r, const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || len > PLAN_NAME_MAX)
        return jcheck_fail(&r->c, "found %zu characters, expected 1 to %d", len, PLAN_NAME_MAX);
    for (const char *p = name; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && strchr(" _.-", *p) == NULL)
            return plan_wrong(r, name, "only letters, digits, ' ', '_', '.', '-'");
    return 0;
}

char *plan_read_name(struct plan_reader *r, json_t *object)
{
    struct jcheck_place back;
    char *name = NULL;

    if (plan_require(r, object, "name") != NULL) {
        name = plan_setup(r, plan_enter(r, object, "name", &back), false);
        if (name != NULL)
            check_name(r, name);
        jcheck_leave(&r->c, back);
    }
    return name != NULL ? name : xstrdup("");
}

char *plan_read_variable_name(struct plan_reader *r, json_t *object, const char *key)
{
    struct jcheck_place back;
    bool is_good;

    if (plan_require(r, object, key) == NULL)
        return NULL;
    char *name = plan_setup(r, plan_enter(r, object, key, &back), false);
    is_good = name != NULL && *name != '\0';
    for (const char *p = name; is_good && *p != '\0'; p++)
        is_good = isalnum((unsigned char)*p);
    if (name != NULL && !is_good)
        plan_wrong(r, name, "the name of a variable: letters and digits");
    else if (is_good && strcasecmp(name, "metrics") == 0)
        is_good = plan_wrong(r, name, "another name: this one is for what is measured") == 0;
    jcheck_leave(&r->c, back);
    if (!is_good) {
        free(name);
        return NULL;
    }
    return name;
}
