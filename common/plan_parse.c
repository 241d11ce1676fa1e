#include "common/plan.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/jcheck.h"
#include "common/jtext.h"
#include "common/str.h"

#define NAME_MAX_LEN 60
#define N_OF(array)  (sizeof(array) / sizeof(array)[0])

static const char *const plan_keys[] = {"name", "rounds"};
static const char *const round_keys[] = {"name", "numberOfClients", "arrivalDelay", "iterations"};
static const char *const iteration_keys[] = {"name", "mode", "requestCount", "duration",
                                             "httpRequest"};
static const char *const request_keys[] = {"url", "method", "headers", "payload"};
static const char *const payload_keys[] = {"raw", "file"};

// Keys of LPS plans that have a meaning, only not here and not now.
static const char *const later_keys[] = {
    "variables",     "environments",
    "iterations",    "baseUrl",
    "startupDelay",  "delayClientCreationUntilIsNeeded",
    "runInParallel", "tags",
    "stages",        "reference",
    "delay",         "batchSize",
    "coolDownTime",  "maximizeThroughput",
    "skipIf",        "before",
    "after",         "failureRules",
    "version",       "terminationRules",
    "retry",         "capture",
    "saveResponse",  "downloadHtmlEmbeddedResources",
    "supportH2C",    "clientCertificatePath",
    "multipart",     "clientCertificatePassword",
    "type",
};

static const char *const methods[] = {"GET",    "HEAD",    "POST",    "PUT",  "PATCH",
                                      "DELETE", "CONNECT", "OPTIONS", "TRACE"};

// Readers below add what is wrong to c->d and go on; a value that is wrong stays zero.

static bool is_one_of(const char *text, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    return false;
}

static void check_keys(struct jcheck *c, json_t *object, const char *const *known, size_t n_known)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        if (is_one_of(key, known, n_known))
            continue;
        if (is_one_of(key, later_keys, N_OF(later_keys)))
            jcheck_fail_key(c, key, "%s is not supported yet", key);
        else
            jcheck_unknown(c, key, known, n_known);
    }
}

// The member, or NULL with an entry in d.
static json_t *require(struct jcheck *c, json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    if (value == NULL)
        jcheck_fail(c, "found no \"%s\", expected one", key);
    return value;
}

static uint64_t read_count(struct jcheck *c, json_t *object, const char *key, uint64_t min,
                           uint64_t max, uint64_t dflt)
{
    json_t *value = json_object_get(object, key);
    uint64_t count = dflt;

    if (value != NULL) {
        struct jcheck_place back = jcheck_key(c, key);
        jcheck_u64(c, value, min, max, &count);
        jcheck_leave(c, back);
    }
    return count;
}

static void check_name(struct jcheck *c, const char *name)
{
    size_t len = strlen(name);

    if (plan_has_placeholder(name)) {
        jcheck_fail(c, "placeholders are not supported yet");
        return;
    }
    if (len == 0 || len > NAME_MAX_LEN) {
        jcheck_fail(c, "found %zu characters, expected 1 to %d", len, NAME_MAX_LEN);
        return;
    }
    for (const char *p = name; *p != '\0'; p++) {
        if (!isalnum((unsigned char)*p) && strchr(" _.-", *p) == NULL) {
            json_t *json = json_string(name);
            char quote[JTEXT_QUOTE_SIZE];
            jcheck_fail(c, "found %s, expected only letters, digits, ' ', '_', '.', '-'",
                        jtext_quote(json, quote, sizeof quote));
            json_decref(json);
            return;
        }
    }
}

static char *read_name(struct jcheck *c, json_t *object)
{
    json_t *value = require(c, object, "name");
    const char *name = "";

    if (value != NULL) {
        struct jcheck_place back = jcheck_key(c, "name");
        if (jcheck_text(c, value, &name) == 0)
            check_name(c, name);
        jcheck_leave(c, back);
    }
    return xstrdup(name);
}

// The text of the only entry goes under the name and place of the walk.
static void pass_on(struct jcheck *c, const char *key, struct diag *inner)
{
    if (key != NULL)
        jcheck_fail_key(c, key, "%s", inner->entry[0].text);
    else
        jcheck_fail(c, "%s", inner->entry[0].text);
    diag_done(inner);
}

static void read_url(struct jcheck *c, json_t *request, struct plan_url *url)
{
    json_t *value = require(c, request, "url");
    const char *text;
    struct diag inner = {0};

    if (value == NULL)
        return;
    struct jcheck_place back = jcheck_key(c, "url");
    if (jcheck_text(c, value, &text) == 0 && plan_url_parse(text, &inner, 0, 0, url) < 0)
        pass_on(c, NULL, &inner);
    jcheck_leave(c, back);
}

static char *read_method(struct jcheck *c, json_t *request)
{
    json_t *value = json_object_get(request, "method");
    const char *text = "GET";
    char quote[JTEXT_QUOTE_SIZE];

    if (value == NULL)
        return xstrdup(text);
    struct jcheck_place back = jcheck_key(c, "method");
    int r = jcheck_text(c, value, &text);
    char *method = xstrdup(text);
    for (char *p = method; *p != '\0'; p++)
        *p = (char)toupper((unsigned char)*p);
    if (r == 0 && plan_has_placeholder(method))
        jcheck_fail(c, "placeholders are not supported yet");
    else if (r == 0 && !is_one_of(method, methods, N_OF(methods)))
        jcheck_fail(c,
                    "found %s, expected GET, HEAD, POST, PUT, PATCH, DELETE, CONNECT, OPTIONS or "
                    "TRACE",
                    jtext_quote(value, quote, sizeof quote));
    jcheck_leave(c, back);
    return method;
}

static void add_header(struct jcheck *c, struct plan_iteration *it, const char *name,
                       const json_t *value)
{
    const char *text;
    struct diag inner = {0};

    if (jcheck_text(c, value, &text) < 0)
        return;
    if (plan_check_header(name, text, &inner, 0, 0) < 0) {
        pass_on(c, NULL, &inner);
        return;
    }
    if (it->n_headers == PLAN_HEADERS_MAX) {
        jcheck_fail(c, "found more than %d header values", PLAN_HEADERS_MAX);
        return;
    }
    it->headers = xreallocarray(it->headers, it->n_headers + 1, sizeof *it->headers);
    it->headers[it->n_headers++] = (struct plan_header){xstrdup(name), xstrdup(text)};
}

static void read_header(struct jcheck *c, json_t *value, const char *name,
                        struct plan_iteration *it)
{
    struct jcheck_place back = jcheck_key(c, name);

    if (!json_is_array(value)) {
        add_header(c, it, name, value);
    } else if (json_array_size(value) == 0) {
        jcheck_fail(c, "found an empty list, expected a text or a list of texts");
    } else {
        for (size_t i = 0; i < json_array_size(value); i++) {
            struct jcheck_place list = jcheck_index(c, i);
            add_header(c, it, name, json_array_get(value, i));
            jcheck_leave(c, list);
        }
    }
    jcheck_leave(c, back);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// The names of an object, sorted; the caller frees the array.
static const char **sorted_names(json_t *object)
{
    const char **names = xcalloc(json_object_size(object), sizeof *names);
    const char *name;
    json_t *value;
    size_t n = 0;

    json_object_foreach(object, name, value) names[n++] = name;
    qsort(names, n, sizeof *names, by_name);
    return names;
}

static void read_headers(struct jcheck *c, json_t *headers, struct plan_iteration *it)
{
    size_t n = json_object_size(headers);

    if (n > PLAN_HEADERS_MAX) {
        jcheck_fail(c, "found %zu headers, expected at most %d", n, PLAN_HEADERS_MAX);
        return;
    }
    const char **names = sorted_names(headers);
    for (size_t i = 0; i < n; i++) {
        struct diag inner = {0};
        if (plan_check_header(names[i], "", &inner, 0, 0) < 0) {
            pass_on(c, names[i], &inner);
            continue;
        }
        for (size_t j = 0; j < i; j++)
            if (strcasecmp(names[i], names[j]) == 0)
                jcheck_fail_key(c, names[i], "found %s and %s, expected one of them with a list",
                                names[j], names[i]);
        read_header(c, json_object_get(headers, names[i]), names[i], it);
    }
    free(names);
}

static void read_payload_file(struct jcheck *c, const json_t *value, struct plan_iteration *it)
{
    const char *text;
    uint8_t digest[32];
    char quote[JTEXT_QUOTE_SIZE];

    if (jcheck_text(c, value, &text) < 0)
        return;
    if (str_unhex(text, sizeof digest, digest) < 0)
        jcheck_fail(c, "found %s, expected the file's SHA-256 in 64 hex digits",
                    jtext_quote(value, quote, sizeof quote));
    else
        str_hex(digest, sizeof digest, it->payload_file);
}

static void read_payload(struct jcheck *c, json_t *payload, struct plan_iteration *it)
{
    json_t *raw = json_object_get(payload, "raw"), *file = json_object_get(payload, "file");
    struct jcheck_place back;
    const char *text;

    check_keys(c, payload, payload_keys, N_OF(payload_keys));
    if ((raw == NULL) == (file == NULL)) {
        jcheck_fail(c, "found %s, expected one of \"raw\" and \"file\"",
                    raw == NULL ? "neither" : "both");
    } else if (file != NULL) {
        back = jcheck_key(c, "file");
        read_payload_file(c, file, it);
        jcheck_leave(c, back);
    } else {
        back = jcheck_key(c, "raw");
        if (jcheck_text(c, raw, &text) == 0) {
            if (plan_has_placeholder(text))
                jcheck_fail(c, "placeholders are not supported yet");
            else if (*text != '\0')
                it->payload = xstrdup(text);
        }
        jcheck_leave(c, back);
    }
}

// Goes into a member that must be an object, where it is there.
static void read_member(struct jcheck *c, json_t *object, const char *key,
                        void (*read)(struct jcheck *c, json_t *value, struct plan_iteration *it),
                        struct plan_iteration *it)
{
    json_t *value = json_object_get(object, key);

    if (value == NULL)
        return;
    struct jcheck_place back = jcheck_key(c, key);
    if (jcheck_object(c, value) == 0)
        read(c, value, it);
    jcheck_leave(c, back);
}

static void read_request(struct jcheck *c, json_t *request, struct plan_iteration *it)
{
    check_keys(c, request, request_keys, N_OF(request_keys));
    read_url(c, request, &it->url);
    it->method = read_method(c, request);
    read_member(c, request, "headers", read_headers, it);
    read_member(c, request, "payload", read_payload, it);
}

static enum plan_mode read_mode(struct jcheck *c, json_t *iteration)
{
    json_t *value = json_object_get(iteration, "mode");
    enum plan_mode mode = PLAN_MODE_UNDEFINED;
    char quote[JTEXT_QUOTE_SIZE];
    const char *text;

    if (value == NULL)
        return PLAN_MODE_R;
    struct jcheck_place back = jcheck_key(c, "mode");
    if (jcheck_text(c, value, &text) == 0) {
        static const char *const later[] = {"CB", "CRB", "DCB"};
        if (strcmp(text, "R") == 0)
            mode = PLAN_MODE_R;
        else if (strcmp(text, "D") == 0)
            mode = PLAN_MODE_D;
        else if (is_one_of(text, later, N_OF(later)))
            jcheck_fail(c, "mode %s is not supported yet", text);
        else if (plan_has_placeholder(text))
            jcheck_fail(c, "placeholders are not supported yet");
        else
            jcheck_fail(c, "found %s, expected \"R\" or \"D\"",
                        jtext_quote(value, quote, sizeof quote));
    }
    jcheck_leave(c, back);
    return mode;
}

static void read_iteration(struct jcheck *c, json_t *json, struct plan_iteration *it)
{
    check_keys(c, json, iteration_keys, N_OF(iteration_keys));
    it->name = read_name(c, json);
    it->mode = read_mode(c, json);

    const char *stray = it->mode == PLAN_MODE_R   ? "duration"
                        : it->mode == PLAN_MODE_D ? "requestCount"
                                                  : NULL;
    if (stray != NULL && json_object_get(json, stray) != NULL)
        jcheck_fail_key(c, stray, "found \"%s\", expected none in mode %s", stray,
                        it->mode == PLAN_MODE_R ? "R" : "D");
    if (it->mode == PLAN_MODE_R)
        it->request_count = read_count(c, json, "requestCount", 1, PLAN_COUNT_MAX, 1);
    if (it->mode == PLAN_MODE_D && require(c, json, "duration") != NULL)
        it->duration_s = read_count(c, json, "duration", 1, PLAN_DURATION_MAX_S, 0);
    if (require(c, json, "httpRequest") != NULL)
        read_member(c, json, "httpRequest", read_request, it);
}

// A list under key with at least one element and at most as many as there may be series.
static json_t *read_list(struct jcheck *c, json_t *object, const char *key)
{
    json_t *list = require(c, object, key);

    if (list == NULL)
        return NULL;
    struct jcheck_place back = jcheck_key(c, key);
    int r = jcheck_list(c, list);
    if (r == 0 && json_array_size(list) == 0)
        r = jcheck_fail(c, "found an empty list, expected at least one element");
    if (r == 0 && json_array_size(list) > PLAN_SERIES_MAX)
        r = jcheck_fail(c, "found %zu elements, expected at most %d", json_array_size(list),
                        PLAN_SERIES_MAX);
    jcheck_leave(c, back);
    return r == 0 ? list : NULL;
}

// The element here has the same name as an earlier one.
static void same_name(struct jcheck *c, const char *name)
{
    struct jcheck_place back = jcheck_key(c, "name");

    jcheck_fail(c, "found \"%s\" again, expected a name of its own", name);
    jcheck_leave(c, back);
}

static bool same(const char *a, const char *b)
{
    return *a != '\0' && strcasecmp(a, b) == 0;
}

static void read_iterations(struct jcheck *c, json_t *list, struct plan_round *round)
{
    struct jcheck_place outer = jcheck_key(c, "iterations");

    round->iterations = xcalloc(json_array_size(list), sizeof *round->iterations);
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct plan_iteration *it = &round->iterations[i];
        struct jcheck_place back = jcheck_index(c, i);
        round->n_iterations++;
        if (jcheck_object(c, json_array_get(list, i)) == 0) {
            read_iteration(c, json_array_get(list, i), it);
            for (size_t j = 0; j < i; j++)
                if (round->iterations[j].name != NULL && same(it->name, round->iterations[j].name))
                    same_name(c, it->name);
        }
        jcheck_leave(c, back);
    }
    jcheck_leave(c, outer);
}

static void read_round(struct jcheck *c, json_t *json, struct plan_round *round)
{
    check_keys(c, json, round_keys, N_OF(round_keys));
    round->name = read_name(c, json);
    round->n_clients = read_count(c, json, "numberOfClients", 1, PLAN_CLIENTS_MAX, 1);
    round->arrival_delay_ms = read_count(c, json, "arrivalDelay", 0, PLAN_DELAY_MAX_MS, 0);
    json_t *list = read_list(c, json, "iterations");
    if (list != NULL)
        read_iterations(c, list, round);
}

static void read_rounds(struct jcheck *c, json_t *list, struct plan *plan)
{
    struct jcheck_place outer = jcheck_key(c, "rounds");

    plan->rounds = xcalloc(json_array_size(list), sizeof *plan->rounds);
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct plan_round *round = &plan->rounds[i];
        struct jcheck_place back = jcheck_index(c, i);
        plan->n_rounds++;
        if (jcheck_object(c, json_array_get(list, i)) == 0) {
            read_round(c, json_array_get(list, i), round);
            for (size_t j = 0; j < i; j++)
                if (plan->rounds[j].name != NULL && same(round->name, plan->rounds[j].name))
                    same_name(c, round->name);
        }
        jcheck_leave(c, back);
        if (plan_n_series(plan) > PLAN_SERIES_MAX) {
            jcheck_fail(c, "found more than %d iterations in all", PLAN_SERIES_MAX);
            break;
        }
    }
    jcheck_leave(c, outer);
}

static void read_plan(struct jcheck *c, json_t *json, struct plan *plan)
{
    if (jcheck_object(c, json) < 0)
        return;
    check_keys(c, json, plan_keys, N_OF(plan_keys));
    plan->name = read_name(c, json);
    json_t *list = read_list(c, json, "rounds");
    if (list != NULL)
        read_rounds(c, list, plan);
}

static int check_size(const struct plan *plan, struct diag *d)
{
    char *text = plan_format(plan);
    size_t len = strlen(text);

    free(text);
    if (len <= PLAN_BYTES_MAX)
        return 0;
    return diag_add(d, 0, 0, "found a plan of %zu bytes, expected at most %d: use payload files",
                    len, PLAN_BYTES_MAX);
}

int plan_parse(const char *text, size_t len, struct diag *d, struct plan **ret_plan)
{
    json_t *json;
    struct jcheck c;
    size_t n_before = d->n;

    int r = jtext_parse(text, len, d, &json);
    if (r < 0)
        return r;
    struct plan *plan = xcalloc(1, sizeof *plan);
    jcheck_init(&c, text, len, d);
    read_plan(&c, json, plan);
    jcheck_done(&c);
    json_decref(json);
    if (d->n > n_before || check_size(plan, d) < 0) {
        plan_free(plan);
        return -EINVAL;
    }
    *ret_plan = plan;
    return 0;
}
