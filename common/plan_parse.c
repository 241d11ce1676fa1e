#include "common/plan.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/jtext.h"
#include "common/plan_impl.h"
#include "common/str.h"

#define NAME_MAX_LEN      60
#define IN_FLIGHT_DEFAULT 1000 // of an open round

static const char *const plan_keys[] = {"name", "rounds"};
static const char *const round_keys[] = {
    "name",          "startupDelay", "numberOfClients",
    "arrivalDelay",  "stages",       "delayClientCreationUntilIsNeeded",
    "runInParallel", "pacing",       "iterations"};
static const char *const stage_keys[] = {"numberOfClients", "arrivalDelay", "startupDelay"};
static const char *const iteration_keys[] = {
    "name",      "delay",        "startupDelay",       "mode", "requestCount", "duration",
    "batchSize", "coolDownTime", "maximizeThroughput", "rate", "ramp",         "httpRequest"};
static const char *const ramp_keys[] = {"rate", "duration"};

// Keys of LPS plans that have a meaning, only not yet.
static const char *const later_keys[] = {
    "variables",
    "environments",
    "iterations",
    "baseUrl",
    "tags",
    "reference",
    "skipIf",
    "before",
    "after",
    "failureRules",
    "terminationRules",
    "retry",
    "capture",
    "saveResponse",
    "downloadHtmlEmbeddedResources",
    "multipart",
    "clientCertificatePath",
    "type",
};

static const struct plan_word pacings[] = {
    {"precise", PLAN_PACING_PRECISE},
    {"batched", PLAN_PACING_BATCHED},
};

// What each mode takes; batch stands for batchSize and coolDownTime.
enum need {
    NEVER = 0,
    MAYBE, // a count is 1 by default
    ALWAYS,
};

static const struct {
    enum need count, duration, batch, rate;
} needs[PLAN_MODE__COUNT] = {
    [PLAN_MODE_R] = {.count = MAYBE},
    [PLAN_MODE_D] = {.duration = ALWAYS, .rate = MAYBE},
    [PLAN_MODE_CB] = {.batch = ALWAYS},
    [PLAN_MODE_CRB] = {.count = ALWAYS, .batch = ALWAYS},
    [PLAN_MODE_DCB] = {.duration = ALWAYS, .batch = ALWAYS},
};

static bool is_one_of(const char *text, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    return false;
}

void plan_check_keys(struct jcheck *c, json_t *object, const char *const *known, size_t n_known)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        if (is_one_of(key, known, n_known))
            continue;
        if (is_one_of(key, later_keys, PLAN_N_OF(later_keys)))
            jcheck_fail_key(c, key, "%s is not supported yet", key);
        else
            jcheck_unknown(c, key, known, n_known);
    }
}

json_t *plan_require(struct jcheck *c, json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    if (value == NULL)
        jcheck_fail(c, "found no \"%s\", expected one", key);
    return value;
}

const char *plan_either(struct jcheck *c, json_t *object, const char *key, const char *alias)
{
    if (json_object_get(object, alias) == NULL)
        return key;
    if (json_object_get(object, key) != NULL)
        jcheck_fail_key(c, alias, "found \"%s\" and \"%s\", expected one of them", key, alias);
    return alias;
}

bool plan_read_bool(struct jcheck *c, json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    bool is = false;

    if (value != NULL) {
        struct jcheck_place back = jcheck_key(c, key);
        jcheck_bool(c, value, &is);
        jcheck_leave(c, back);
    }
    return is;
}

int plan_read_word(struct jcheck *c, json_t *object, const char *key, const struct plan_word *words,
                   size_t n_words, const char *expected, int dflt)
{
    json_t *value = json_object_get(object, key);
    char quote[JTEXT_QUOTE_SIZE];
    const char *text;
    int found = 0;

    if (value == NULL)
        return dflt;
    struct jcheck_place back = jcheck_key(c, key);
    if (jcheck_text(c, value, &text) == 0) {
        for (size_t i = 0; i < n_words; i++)
            if (strcmp(text, words[i].text) == 0)
                found = words[i].value;
        if (plan_has_placeholder(text))
            jcheck_fail(c, "placeholders are not supported yet");
        else if (found == 0)
            jcheck_fail(c, "found %s, expected %s", jtext_quote(value, quote, sizeof quote),
                        expected);
    }
    jcheck_leave(c, back);
    return found;
}

void plan_read_member(struct jcheck *c, json_t *object, const char *key,
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
    json_t *value = plan_require(c, object, "name");
    const char *name = "";

    if (value != NULL) {
        struct jcheck_place back = jcheck_key(c, "name");
        if (jcheck_text(c, value, &name) == 0)
            check_name(c, name);
        jcheck_leave(c, back);
    }
    return xstrdup(name);
}

// A list under key with at least one element.
static json_t *read_list(struct jcheck *c, json_t *object, const char *key, size_t max)
{
    json_t *list = plan_require(c, object, key);

    if (list == NULL)
        return NULL;
    struct jcheck_place back = jcheck_key(c, key);
    int r = jcheck_list(c, list);
    if (r == 0 && json_array_size(list) == 0)
        r = jcheck_fail(c, "found an empty list, expected at least one element");
    if (r == 0 && json_array_size(list) > max)
        r = jcheck_fail(c, "found %zu elements, expected at most %zu", json_array_size(list), max);
    jcheck_leave(c, back);
    return r == 0 ? list : NULL;
}

static enum plan_mode read_mode(struct jcheck *c, json_t *iteration)
{
    struct plan_word words[PLAN_MODE__COUNT - 1];

    for (enum plan_mode m = PLAN_MODE_R; m < PLAN_MODE__COUNT; m++)
        words[m - 1] = (struct plan_word){plan_mode_name(m), m};
    return (enum plan_mode)plan_read_word(c, iteration, "mode", words, PLAN_N_OF(words),
                                          "\"R\", \"D\", \"CB\", \"CRB\" or \"DCB\"", PLAN_MODE_R);
}

// Requests a second, as thousandths.
static uint64_t read_rate(struct jcheck *c, json_t *object, uint64_t min_mhz)
{
    json_t *value = json_object_get(object, "rate");
    double rate = json_number_value(value);
    uint64_t mhz = 0;
    char quote[JTEXT_QUOTE_SIZE];

    if (value == NULL)
        return 0;
    if (rate >= 0 && rate <= PLAN_RATE_MAX_MHZ / 1000.0)
        mhz = (uint64_t)(rate * 1000 + 0.5);
    if (!json_is_number(value) || mhz < min_mhz || (double)mhz / 1000 != rate) {
        struct jcheck_place back = jcheck_key(c, "rate");
        jcheck_fail(
            c, "found %s, expected a number %s 0 and up to %" PRIu64 " with at most 3 decimals",
            jtext_quote(value, quote, sizeof quote), min_mhz > 0 ? "above" : "from",
            (uint64_t)PLAN_RATE_MAX_MHZ / 1000);
        jcheck_leave(c, back);
    }
    return mhz;
}

static void read_ramp(struct jcheck *c, json_t *list, struct plan_iteration *it)
{
    struct jcheck_place outer = jcheck_key(c, "ramp");
    size_t n_before = c->d->n;
    uint64_t max_mhz = it->rate_mhz;

    it->ramp = xcalloc(json_array_size(list), sizeof *it->ramp);
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct plan_ramp *ramp = &it->ramp[it->n_ramp++];
        json_t *json = json_array_get(list, i);
        struct jcheck_place back = jcheck_index(c, i);
        if (jcheck_object(c, json) == 0) {
            plan_check_keys(c, json, ramp_keys, PLAN_N_OF(ramp_keys));
            if (plan_require(c, json, "rate") != NULL)
                ramp->rate_mhz = read_rate(c, json, 0);
            if (plan_require(c, json, "duration") != NULL)
                ramp->duration_s = read_count(c, json, "duration", 1, PLAN_DURATION_MAX_S, 0);
        }
        jcheck_leave(c, back);
        it->duration_s += ramp->duration_s;
        if (ramp->rate_mhz > max_mhz)
            max_mhz = ramp->rate_mhz;
    }
    if (it->duration_s > PLAN_DURATION_MAX_S)
        jcheck_fail(c, "found durations of %" PRIu64 " s together, expected at most %d",
                    it->duration_s, PLAN_DURATION_MAX_S);
    if (c->d->n == n_before && max_mhz == 0)
        jcheck_fail(c, "found no rate above 0, expected one");
    jcheck_leave(c, outer);
}

static bool has_rate(json_t *iteration)
{
    return json_object_get(iteration, "rate") != NULL || json_object_get(iteration, "ramp") != NULL;
}

// Whether a key that its mode does not always take is to be read.
static bool is_taken(struct jcheck *c, json_t *json, const char *key, enum need need,
                     enum plan_mode mode)
{
    if (need == ALWAYS)
        return plan_require(c, json, key) != NULL;
    if (need == NEVER && json_object_get(json, key) != NULL)
        jcheck_fail_key(c, key, "found \"%s\", expected none in mode %s", key,
                        plan_mode_name(mode));
    return need == MAYBE;
}

static void read_open(struct jcheck *c, json_t *json, struct plan_iteration *it)
{
    bool has_ramp = json_object_get(json, "ramp") != NULL;
    json_t *list = has_ramp ? read_list(c, json, "ramp", PLAN_STAGES_MAX) : NULL;
    const char *delay = plan_either(c, json, "delay", "startupDelay");

    it->is_open = true;
    it->rate_mhz = read_rate(c, json, has_ramp ? 0 : 1);
    if (list != NULL)
        read_ramp(c, list, it);
    if (has_ramp && json_object_get(json, "duration") != NULL)
        jcheck_fail_key(
            c, "duration",
            "found \"duration\" and \"ramp\", expected one of them: a ramp has its own");
    if (!has_ramp && plan_require(c, json, "duration") != NULL)
        it->duration_s = read_count(c, json, "duration", 1, PLAN_DURATION_MAX_S, 0);
    if (json_object_get(json, delay) != NULL)
        jcheck_fail_key(c, delay, "found \"%s\", expected none with a rate", delay);
}

static void check_batches(struct jcheck *c, const struct plan_iteration *it)
{
    struct jcheck_place back;

    if (it->request_count > 0 && it->request_count <= it->batch_size) {
        back = jcheck_key(c, "requestCount");
        jcheck_fail(c, "found %" PRIu64 ", expected more than the batch size of %" PRIu64,
                    it->request_count, it->batch_size);
        jcheck_leave(c, back);
    }
    if (it->duration_s > 0 && it->duration_s * 1000 <= it->cool_down_ms) {
        back = jcheck_key(c, "duration");
        jcheck_fail(c,
                    "found %" PRIu64 " s, expected more than the cool-down time of %" PRIu64 " ms",
                    it->duration_s, it->cool_down_ms);
        jcheck_leave(c, back);
    }
}

static void read_schedule(struct jcheck *c, json_t *json, struct plan_iteration *it)
{
    enum plan_mode mode = it->mode;

    if (is_taken(c, json, "requestCount", needs[mode].count, mode))
        it->request_count = read_count(c, json, "requestCount", 1, PLAN_COUNT_MAX, 1);
    if (is_taken(c, json, "batchSize", needs[mode].batch, mode))
        it->batch_size = read_count(c, json, "batchSize", 1, PLAN_BATCH_MAX, 0);
    if (is_taken(c, json, "coolDownTime", needs[mode].batch, mode))
        it->cool_down_ms = read_count(c, json, "coolDownTime", 1, PLAN_DELAY_MAX_MS, 0);
    bool rate = is_taken(c, json, "rate", needs[mode].rate, mode);
    bool ramp = is_taken(c, json, "ramp", needs[mode].rate, mode);
    if ((rate || ramp) && has_rate(json)) {
        read_open(c, json, it);
        return;
    }
    if (is_taken(c, json, "duration", needs[mode].duration, mode))
        it->duration_s = read_count(c, json, "duration", 1, PLAN_DURATION_MAX_S, 0);
    it->delay_ms =
        read_count(c, json, plan_either(c, json, "delay", "startupDelay"), 0, PLAN_DELAY_MAX_MS, 0);
    check_batches(c, it);
}

static void read_iteration(struct jcheck *c, json_t *json, struct plan_iteration *it)
{
    plan_check_keys(c, json, iteration_keys, PLAN_N_OF(iteration_keys));
    it->name = read_name(c, json);
    it->mode = read_mode(c, json);
    if (it->mode != PLAN_MODE_UNDEFINED)
        read_schedule(c, json, it);
    // Modes without batches let it pass and forget it, as LPS does.
    bool maximize = plan_read_bool(c, json, "maximizeThroughput");
    it->maximize = maximize && it->batch_size > 0;
    if (plan_require(c, json, "httpRequest") != NULL)
        plan_read_member(c, json, "httpRequest", plan_read_request, it);
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

static void read_stages(struct jcheck *c, json_t *list, struct plan_round *round)
{
    struct jcheck_place outer = jcheck_key(c, "stages");

    round->stages = xcalloc(json_array_size(list), sizeof *round->stages);
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct plan_stage *stage = &round->stages[round->n_stages++];
        json_t *json = json_array_get(list, i);
        struct jcheck_place back = jcheck_index(c, i);
        if (jcheck_object(c, json) == 0) {
            plan_check_keys(c, json, stage_keys, PLAN_N_OF(stage_keys));
            if (plan_require(c, json, "numberOfClients") != NULL)
                stage->n_clients = read_count(c, json, "numberOfClients", 1, PLAN_CLIENTS_MAX, 0);
            stage->arrival_delay_ms = read_count(c, json, "arrivalDelay", 0, PLAN_DELAY_MAX_MS, 0);
            stage->startup_delay_ms = read_count(c, json, "startupDelay", 0, PLAN_DELAY_MAX_MS, 0);
        }
        jcheck_leave(c, back);
        round->n_clients += stage->n_clients;
    }
    if (round->n_clients > PLAN_CLIENTS_MAX)
        jcheck_fail(c, "found %" PRIu64 " clients together, expected at most %d", round->n_clients,
                    PLAN_CLIENTS_MAX);
    jcheck_leave(c, outer);
}

// One stage stands for all clients, where the plan has none.
static void read_clients(struct jcheck *c, json_t *json, struct plan_round *round)
{
    static const char *const not_open[] = {"arrivalDelay", "stages"};
    static const char *const not_beside_stages[] = {"numberOfClients", "arrivalDelay"};
    bool has_stages = json_object_get(json, "stages") != NULL;

    for (size_t i = 0; round->is_open && i < PLAN_N_OF(not_open); i++)
        if (json_object_get(json, not_open[i]) != NULL)
            jcheck_fail_key(c, not_open[i],
                            "found \"%s\", expected none in a round whose iterations have a rate",
                            not_open[i]);
    if (has_stages && !round->is_open) {
        for (size_t i = 0; i < PLAN_N_OF(not_beside_stages); i++)
            if (json_object_get(json, not_beside_stages[i]) != NULL)
                jcheck_fail_key(c, not_beside_stages[i],
                                "found \"%s\" and \"stages\", expected one of them",
                                not_beside_stages[i]);
        json_t *list = read_list(c, json, "stages", PLAN_STAGES_MAX);
        if (list != NULL)
            read_stages(c, list, round);
        return;
    }
    round->n_stages = 1;
    round->stages = xcalloc(1, sizeof *round->stages);
    round->n_clients = read_count(c, json, "numberOfClients", 1, PLAN_CLIENTS_MAX,
                                  round->is_open ? IN_FLIGHT_DEFAULT : 1);
    round->stages->n_clients = round->n_clients;
    if (!round->is_open)
        round->stages->arrival_delay_ms =
            read_count(c, json, "arrivalDelay", 0, PLAN_DELAY_MAX_MS, 0);
}

// Whether the round is open: known before its clients are read, whose keys depend on it.
static bool read_is_open(struct jcheck *c, json_t *json)
{
    json_t *list = json_object_get(json, "iterations");
    size_t n = json_array_size(list), n_open = 0;

    for (size_t i = 0; i < n; i++)
        n_open += has_rate(json_array_get(list, i));
    if (n_open > 0 && n_open < n)
        jcheck_fail_key(c, "iterations",
                        "found %zu with a rate and %zu without, expected one kind: a round is "
                        "open or closed",
                        n_open, n - n_open);
    return n_open > 0;
}

static void read_round(struct jcheck *c, json_t *json, struct plan_round *round)
{
    plan_check_keys(c, json, round_keys, PLAN_N_OF(round_keys));
    round->name = read_name(c, json);
    round->is_open = read_is_open(c, json);
    round->startup_delay_ms = read_count(c, json, "startupDelay", 0, PLAN_DELAY_MAX_MS, 0);
    read_clients(c, json, round);
    plan_read_bool(c, json, "delayClientCreationUntilIsNeeded"); // as it always is
    round->is_parallel = plan_read_bool(c, json, "runInParallel");
    round->pacing =
        (enum plan_pacing)plan_read_word(c, json, "pacing", pacings, PLAN_N_OF(pacings),
                                         "\"precise\" or \"batched\"", PLAN_PACING_PRECISE);
    json_t *list = read_list(c, json, "iterations", PLAN_SERIES_MAX);
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
    plan_check_keys(c, json, plan_keys, PLAN_N_OF(plan_keys));
    plan->name = read_name(c, json);
    json_t *list = read_list(c, json, "rounds", PLAN_SERIES_MAX);
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

    int r = jtext_parse(text, len, d, &json);
    if (r < 0)
        return r;
    r = plan_parse_json(json, text, len, NULL, d, ret_plan);
    json_decref(json);
    return r;
}

int plan_parse_json(json_t *json, const char *text, size_t len, const struct places *places,
                    struct diag *d, struct plan **ret_plan)
{
    struct plan *plan = xcalloc(1, sizeof *plan);
    size_t n_before = d->n;
    struct jcheck c;

    jcheck_init(&c, text, len, d);
    c.places = places;
    read_plan(&c, json, plan);
    jcheck_done(&c);
    if (d->n > n_before || check_size(plan, d) < 0) {
        plan_free(plan);
        return -EINVAL;
    }
    *ret_plan = plan;
    return 0;
}
