// When an iteration sends: modes, counts, durations, rates.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/jtext.h"
#include "common/plan_impl.h"
#include "common/str.h"

static const char *const iteration_keys[] = {"name",
                                             "delay",
                                             "startupDelay",
                                             "mode",
                                             "requestCount",
                                             "duration",
                                             "batchSize",
                                             "coolDownTime",
                                             "thinkTime",
                                             "maximizeThroughput",
                                             "rate",
                                             "ramp",
                                             "skipIf",
                                             "before",
                                             "after",
                                             "failureRules",
                                             "terminationRules",
                                             "httpRequest"};
static const char *const ramp_keys[] = {"rate", "duration"};
static const char *const think_keys[] = {"min", "max"};

// What each mode takes; batch stands for batchSize and coolDownTime.
enum need {
    NEVER = 0,
    MAYBE, // a count is 1 by default
    ALWAYS,
};

static const struct {
    enum need count, duration, batch, rate, think;
} needs[PLAN_MODE__COUNT] = {
    [PLAN_MODE_R] = {.count = MAYBE, .think = MAYBE},
    [PLAN_MODE_D] = {.duration = ALWAYS, .rate = MAYBE, .think = MAYBE},
    [PLAN_MODE_CB] = {.batch = ALWAYS},
    [PLAN_MODE_CRB] = {.count = ALWAYS, .batch = ALWAYS},
    [PLAN_MODE_DCB] = {.duration = ALWAYS, .batch = ALWAYS},
};

static enum plan_mode read_mode(struct plan_reader *r, json_t *iteration)
{
    struct plan_word words[PLAN_MODE__COUNT - 1];

    for (enum plan_mode m = PLAN_MODE_R; m < PLAN_MODE__COUNT; m++)
        words[m - 1] = (struct plan_word){plan_mode_name(m), m};
    return (enum plan_mode)plan_read_word(r, iteration, "mode", words, PLAN_N_OF(words),
                                          "\"R\", \"D\", \"CB\", \"CRB\" or \"DCB\"", PLAN_MODE_R);
}

// A number, or in a source a text of one. False: none, with what it is in quote.
static bool read_number(struct plan_reader *r, const json_t *value, double *ret_x,
                        char quote[JTEXT_QUOTE_SIZE])
{
    char *text, *end;
    bool is = json_is_number(value);

    jtext_quote(value, quote, JTEXT_QUOTE_SIZE);
    *ret_x = json_number_value(value);
    if (r->source == NULL || !json_is_string(value))
        return is;
    if ((text = plan_setup(r, value, false)) == NULL) {
        quote[0] = '\0';
        return false;
    }
    json_t *json = json_string(text);
    jtext_quote(json, quote, JTEXT_QUOTE_SIZE);
    json_decref(json);
    if (*text != '\0' && strspn(text, "0123456789.") == strlen(text)) {
        *ret_x = strtod(text, &end);
        is = *end == '\0';
    }
    free(text);
    return is;
}

// Requests a second, as thousandths.
static uint64_t read_rate(struct plan_reader *r, json_t *object, uint64_t min_mhz)
{
    struct jcheck_place back;
    json_t *value = plan_enter(r, object, "rate", &back);
    uint64_t mhz = 0;
    char quote[JTEXT_QUOTE_SIZE];
    double rate;

    if (value == NULL)
        return 0;
    bool is_number = read_number(r, value, &rate, quote);
    if (is_number && rate >= 0 && rate <= PLAN_RATE_MAX_MHZ / 1000.0)
        mhz = (uint64_t)(rate * 1000 + 0.5);
    if (quote[0] != '\0' && (!is_number || mhz < min_mhz || (double)mhz / 1000 != rate))
        jcheck_fail(
            &r->c, "found %s, expected a number %s 0 and up to %" PRIu64 " with at most 3 decimals",
            quote, min_mhz > 0 ? "above" : "from", (uint64_t)PLAN_RATE_MAX_MHZ / 1000);
    jcheck_leave(&r->c, back);
    return mhz;
}

static void read_step(struct plan_reader *r, json_t *json, void *element)
{
    struct plan_ramp *ramp = element;

    plan_check_keys(r, json, ramp_keys, PLAN_N_OF(ramp_keys));
    if (plan_require(r, json, "rate") != NULL)
        ramp->rate_mhz = read_rate(r, json, 0);
    if (plan_require(r, json, "duration") != NULL)
        ramp->duration_s = plan_read_count(r, json, "duration", 1, PLAN_DURATION_MAX_S, 0);
}

static void read_ramp(struct plan_reader *r, json_t *json, struct plan_iteration *it)
{
    struct jcheck_place back;
    size_t n_before = r->c.d->n;
    uint64_t max_mhz = it->rate_mhz;

    it->ramp =
        plan_read_list(r, json, "ramp", PLAN_STAGES_MAX, sizeof *it->ramp, read_step, &it->n_ramp);
    for (size_t i = 0; i < it->n_ramp; i++) {
        it->duration_s += it->ramp[i].duration_s;
        if (it->ramp[i].rate_mhz > max_mhz)
            max_mhz = it->ramp[i].rate_mhz;
    }
    back = jcheck_key(&r->c, plan_key(r, json, "ramp"));
    if (it->n_ramp == 0 && r->c.d->n == n_before)
        jcheck_fail(&r->c, "found an empty list, expected at least one element");
    if (it->duration_s > PLAN_DURATION_MAX_S)
        jcheck_fail(&r->c, "found durations of %" PRIu64 " s together, expected at most %d",
                    it->duration_s, PLAN_DURATION_MAX_S);
    if (r->c.d->n == n_before && !r->is_unset && max_mhz == 0)
        jcheck_fail(&r->c, "found no rate above 0, expected one");
    jcheck_leave(&r->c, back);
}

bool plan_has_rate(struct plan_reader *r, json_t *iteration)
{
    return plan_find(r, iteration, "rate") != NULL || plan_find(r, iteration, "ramp") != NULL;
}

// Whether a key that its mode does not always take is to be read.
static bool is_taken(struct plan_reader *r, json_t *json, const char *key, enum need need,
                     enum plan_mode mode)
{
    if (need == ALWAYS)
        return plan_require(r, json, key) != NULL;
    if (need == NEVER && plan_find(r, json, key) != NULL)
        jcheck_fail_key(&r->c, plan_key(r, json, key), "found \"%s\", expected none in mode %s",
                        key, plan_mode_name(mode));
    return need == MAYBE;
}

static void read_open(struct plan_reader *r, json_t *json, struct plan_iteration *it)
{
    static const char *const not_open[] = {"delay", "thinkTime", "skipIf", "before", "after"};
    bool has_ramp = plan_find(r, json, "ramp") != NULL;

    it->is_open = true;
    it->rate_mhz = read_rate(r, json, has_ramp ? 0 : 1);
    if (has_ramp)
        read_ramp(r, json, it);
    if (has_ramp && plan_find(r, json, "duration") != NULL)
        jcheck_fail_key(
            &r->c, plan_key(r, json, "duration"),
            "found \"duration\" and \"ramp\", expected one of them: a ramp has its own");
    if (!has_ramp && plan_require(r, json, "duration") != NULL)
        it->duration_s = plan_read_count(r, json, "duration", 1, PLAN_DURATION_MAX_S, 0);
    for (size_t i = 0; i < PLAN_N_OF(not_open); i++) {
        const char *key = plan_key(r, json, not_open[i]);
        if (plan_find(r, json, not_open[i]) != NULL)
            jcheck_fail_key(&r->c, key, "found \"%s\", expected none with a rate%s", key,
                            i < 2 ? "" : ": there is no client that begins it");
    }
}

static void check_batches(struct plan_reader *r, json_t *json, const struct plan_iteration *it)
{
    if (it->request_count > 0 && it->request_count <= it->batch_size)
        plan_fail_at(r, json, "requestCount",
                     "found %" PRIu64 ", expected more than the batch size of %" PRIu64,
                     it->request_count, it->batch_size);
    if (it->duration_s > 0 && it->duration_s * 1000 <= it->cool_down_ms)
        plan_fail_at(r, json, "duration",
                     "found %" PRIu64 " s, expected more than the cool-down time of %" PRIu64 " ms",
                     it->duration_s, it->cool_down_ms);
}

// A number, or the ends of what is chosen from.
static void read_think(struct plan_reader *r, json_t *json, struct plan_iteration *it)
{
    struct jcheck_place back;
    json_t *value = plan_find(r, json, "thinkTime");

    if (!json_is_object(value)) {
        it->think_min_ms = it->think_max_ms =
            plan_read_count(r, json, "thinkTime", 0, PLAN_DELAY_MAX_MS, 0);
        return;
    }
    plan_enter(r, json, "thinkTime", &back);
    plan_check_keys(r, value, think_keys, PLAN_N_OF(think_keys));
    bool is_whole = plan_require(r, value, "min") != NULL && plan_require(r, value, "max") != NULL;
    size_t n_before = r->c.d->n;
    it->think_min_ms = plan_read_count(r, value, "min", 0, PLAN_DELAY_MAX_MS, 0);
    it->think_max_ms = plan_read_count(r, value, "max", 0, PLAN_DELAY_MAX_MS, 0);
    if (is_whole && r->c.d->n == n_before && !r->is_unset && it->think_min_ms > it->think_max_ms)
        jcheck_fail(&r->c, "found min %" PRIu64 " above max %" PRIu64, it->think_min_ms,
                    it->think_max_ms);
    jcheck_leave(&r->c, back);
}

static void read_schedule(struct plan_reader *r, json_t *json, struct plan_iteration *it)
{
    enum plan_mode mode = it->mode;

    if (is_taken(r, json, "requestCount", needs[mode].count, mode))
        it->request_count = plan_read_count(r, json, "requestCount", 1, PLAN_COUNT_MAX, 1);
    if (is_taken(r, json, "batchSize", needs[mode].batch, mode))
        it->batch_size = plan_read_count(r, json, "batchSize", 1, PLAN_BATCH_MAX, 0);
    if (is_taken(r, json, "coolDownTime", needs[mode].batch, mode))
        it->cool_down_ms = plan_read_count(r, json, "coolDownTime", 1, PLAN_DELAY_MAX_MS, 0);
    bool think = is_taken(r, json, "thinkTime", needs[mode].think, mode);
    bool rate = is_taken(r, json, "rate", needs[mode].rate, mode);
    bool ramp = is_taken(r, json, "ramp", needs[mode].rate, mode);
    if ((rate || ramp) && plan_has_rate(r, json)) {
        read_open(r, json, it);
        return;
    }
    if (is_taken(r, json, "duration", needs[mode].duration, mode))
        it->duration_s = plan_read_count(r, json, "duration", 1, PLAN_DURATION_MAX_S, 0);
    it->delay_ms = plan_read_count(r, json, "delay", 0, PLAN_DELAY_MAX_MS, 0);
    if (think)
        read_think(r, json, it);
    check_batches(r, json, it);
}

void plan_read_iteration(struct plan_reader *r, json_t *json, struct plan_iteration *it)
{
    struct jcheck_place back;

    plan_check_keys(r, json, iteration_keys, PLAN_N_OF(iteration_keys));
    it->name = plan_read_name(r, json);
    it->mode = read_mode(r, json);
    if (it->mode != PLAN_MODE_UNDEFINED)
        read_schedule(r, json, it);
    // Modes without batches let it pass and forget it, as LPS does.
    bool maximize = plan_read_bool(r, json, "maximizeThroughput");
    it->maximize = maximize && it->batch_size > 0;
    it->skip_if = plan_read_condition(r, json, "skipIf", false);
    it->before = plan_read_hooks(r, json, "before", &it->n_before);
    it->after = plan_read_hooks(r, json, "after", &it->n_after);
    plan_read_rules(r, json, it);
    if (plan_require(r, json, "httpRequest") != NULL) {
        json_t *request = plan_enter_object(r, json, "httpRequest", &back);
        if (request != NULL) {
            plan_read_request(r, request, it);
            jcheck_leave(&r->c, back);
        }
    }
}
