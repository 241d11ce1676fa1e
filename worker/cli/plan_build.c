#include "worker/cli/plan_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "common/rule.h"
#include "common/str.h"
#include "worker/cli/plan_files.h"
#include "worker/cli/plan_find.h"

void plan_build_done(struct plan_build *b)
{
    plan_free(b->plan);
    json_decref(b->source);
    plan_files_done(b);
    *b = (struct plan_build){0};
}

static const char *spelling(const struct options *o, enum options_id id)
{
    return o->value[id].spelling;
}

// The options that only some modes take.
static const struct {
    enum options_id id;
    const char *what;
    unsigned in_modes; // 1u << enum plan_mode, or'ed
    unsigned required;
} mode_options[] = {
#define IN(mode) (1u << PLAN_MODE_##mode)
    {OPTIONS_REQUEST_COUNT, "request count", IN(R) | IN(CRB), IN(CRB)},
    {OPTIONS_DURATION, "duration", IN(D) | IN(DCB), IN(D) | IN(DCB)},
    {OPTIONS_CLIENT_THINK_TIME, "think time", IN(R) | IN(D), 0},
    {OPTIONS_RATE, "rate", IN(D), 0},
    {OPTIONS_RAMP, "ramp", IN(D), 0},
    {OPTIONS_BATCH_SIZE, "batch size", IN(CB) | IN(CRB) | IN(DCB), IN(CB) | IN(CRB) | IN(DCB)},
    {OPTIONS_COOL_DOWN_TIME, "cool-down time", IN(CB) | IN(CRB) | IN(DCB),
     IN(CB) | IN(CRB) | IN(DCB)},
#undef IN
};

static bool is_open(const struct options *o)
{
    return options_given(o, OPTIONS_RATE) || options_given(o, OPTIONS_RAMP);
}

// The mode that the other options speak for.
static int imply_mode(const struct options *o, struct diag *d, enum plan_mode *ret_mode)
{
    bool has_count = options_given(o, OPTIONS_REQUEST_COUNT);
    bool has_duration = options_given(o, OPTIONS_DURATION);
    bool has_batches =
        options_given(o, OPTIONS_BATCH_SIZE) || options_given(o, OPTIONS_COOL_DOWN_TIME);

    if (has_count && has_duration)
        return diag_add(d, 0, 0, "%s and %s: found both, expected one of them",
                        spelling(o, OPTIONS_REQUEST_COUNT), spelling(o, OPTIONS_DURATION));
    if (is_open(o))
        *ret_mode = PLAN_MODE_D;
    else if (has_batches)
        *ret_mode = has_count ? PLAN_MODE_CRB : has_duration ? PLAN_MODE_DCB : PLAN_MODE_CB;
    else
        *ret_mode = has_duration ? PLAN_MODE_D : PLAN_MODE_R;
    return 0;
}

static int choose_mode(const struct options *o, struct diag *d, enum plan_mode *ret_mode)
{
    const char *name = options_text(o, OPTIONS_MODE, NULL);

    if (name == NULL)
        return imply_mode(o, d, ret_mode);
    for (enum plan_mode mode = PLAN_MODE_R; mode < PLAN_MODE__COUNT; mode++) {
        if (strcasecmp(name, plan_mode_name(mode)) == 0) {
            *ret_mode = mode;
            return 0;
        }
    }
    return diag_add(d, 0, 0, "%s %s: found \"%s\", expected R, D, CB, CRB or DCB",
                    spelling(o, OPTIONS_MODE), name, name);
}

static int check_mode_options(const struct options *o, enum plan_mode mode, struct diag *d)
{
    bool has_ramp = options_given(o, OPTIONS_RAMP);

    if (has_ramp && options_given(o, OPTIONS_DURATION))
        return diag_add(d, 0, 0,
                        "%s and %s: found both, expected one of them: a ramp has its own "
                        "duration",
                        spelling(o, OPTIONS_DURATION), spelling(o, OPTIONS_RAMP));
    for (size_t i = 0; i < sizeof(mode_options) / sizeof(mode_options[0]); i++) {
        enum options_id id = mode_options[i].id;
        const struct options_row *row = options_row(id);
        bool given = options_given(o, id), by_ramp = has_ramp && id == OPTIONS_DURATION;
        if (given && (mode_options[i].in_modes & (1u << mode)) == 0)
            return diag_add(d, 0, 0, "%s: mode %s takes no %s", spelling(o, id),
                            plan_mode_name(mode), mode_options[i].what);
        if (!given && !by_ramp && (mode_options[i].required & (1u << mode)) != 0)
            return diag_add(d, 0, 0, "mode %s: the %s is missing, expected %s %s",
                            plan_mode_name(mode), mode_options[i].what, row->spelling[0], row->arg);
    }
    return 0;
}

// In a plan file also a path below the round's baseUrl.
static int check_url(const struct options *o, bool is_file, struct diag *d)
{
    const char *text = options_text(o, OPTIONS_URL, NULL);
    struct diag inner = {0};
    struct plan_url url;

    if (text == NULL)
        return diag_add(d, 0, 0, "the target is missing, expected --url URL; see lps --help");
    if ((is_file && text[0] == '/') || plan_has_placeholder(text))
        return 0;
    if (plan_url_parse(text, &inner, 0, 0, &url) == 0)
        plan_url_done(&url);
    else
        diag_add(d, 0, 0, "%s %s: %s", spelling(o, OPTIONS_URL), text, inner.entry[0].text);
    diag_done(&inner);
    return d->n > 0 ? -EINVAL : 0;
}

// Values may be secrets: no error shows one.
static int add_header(json_t *headers, const char *spelled, const char *text, struct diag *d)
{
    struct diag inner = {0};
    const char *colon = strchr(text, ':');
    char *name = NULL;
    int r = 0;

    if (colon == NULL) {
        r = diag_add(d, 0, 0, "%s: found no colon, expected \"Name: value\"", spelled);
        goto out;
    }
    name = xstrndup(text, (size_t)(colon - text));
    for (size_t len = strlen(name); len > 0 && name[len - 1] == ' '; len--)
        name[len - 1] = '\0';
    const char *value = colon + 1 + strspn(colon + 1, " \t");

    if (plan_check_header(name, plan_has_placeholder(value) ? "" : value, &inner, 0, 0) < 0) {
        r = diag_add(d, 0, 0, "%s \"%s\": %s", spelled, name, inner.entry[0].text);
        goto out;
    }
    json_t *values = plan_find_header(headers, name);
    if (values == NULL) {
        values = json_array();
        json_object_set_new(headers, name, values);
    }
    json_array_append_new(values, json_string(value));
out:
    diag_done(&inner);
    free(name);
    return r;
}

static void add_payload(const struct options *o, json_t *request)
{
    const char *text = options_text(o, OPTIONS_PAYLOAD, "");
    bool is_path = strncasecmp(text, "Path:", 5) == 0;
    bool is_file = is_path || strncasecmp(text, PLAN_FILES_URL, strlen(PLAN_FILES_URL)) == 0;

    if (text[0] != '\0')
        json_object_set_new(request, "payload",
                            json_pack("{s:s}", is_file ? "file" : "raw", text + (is_path ? 5 : 0)));
}

int plan_build_check_utf8(const struct options *o, struct diag *d)
{
    for (enum options_id id = 1; id < OPTIONS__COUNT; id++) {
        for (size_t i = 0; i < o->value[id].n; i++) {
            json_t *json = json_string(o->value[id].text[i]);
            if (json == NULL)
                return diag_add(d, 0, 0, "%s: found bytes that are not UTF-8%s", spelling(o, id),
                                id == OPTIONS_PAYLOAD ? ", expected Path:FILE for such" : "");
            json_decref(json);
        }
    }
    return 0;
}

// Where an option is not given, the plan's own default holds.
static const struct plan_member request_members[] = {
    {"method", OPTIONS_METHOD},
    {"version", OPTIONS_HTTP_VERSION},
    {"supportH2C", OPTIONS_SUPPORT_H2C},
    {"clientCertificatePath", OPTIONS_CERTIFICATE_PATH},
    {"clientCertificatePassword", OPTIONS_CERTIFICATE_PASSWORD},
    {"downloadHtmlEmbeddedResources", OPTIONS_EMBEDDED_RESOURCES},
    {"saveResponse", OPTIONS_SAVE_RESPONSE},
};

static const struct plan_member iteration_members[] = {
    {"requestCount", OPTIONS_REQUEST_COUNT},
    {"duration", OPTIONS_DURATION},
    {"rate", OPTIONS_RATE},
    {"batchSize", OPTIONS_BATCH_SIZE},
    {"coolDownTime", OPTIONS_COOL_DOWN_TIME},
    {"maximizeThroughput", OPTIONS_MAXIMIZE_THROUGHPUT},
    {"thinkTime", OPTIONS_CLIENT_THINK_TIME},
};

static const struct plan_member round_members[] = {
    {"numberOfClients", OPTIONS_CLIENTS},
    {"arrivalDelay", OPTIONS_ARRIVAL_DELAY},
    {"startupDelay", OPTIONS_STARTUP_DELAY},
    {"runInParallel", OPTIONS_RUN_IN_PARALLEL},
    {"pacing", OPTIONS_PACING},
};

void plan_build_set(const struct options *o, const struct plan_member *members, size_t n,
                    json_t *json)
{
    for (size_t i = 0; i < n; i++) {
        const struct options_value *v = &o->value[members[i].id];
        json_t *value = NULL;
        if (v->spelling == NULL)
            continue;
        switch (options_row(members[i].id)->kind) {
        case OPTIONS_FLAG:
            value = json_boolean(v->flag);
            break;
        case OPTIONS_COUNT:
            value = json_integer((json_int_t)v->count);
            break;
        case OPTIONS_REAL:
            value = json_real(v->real);
            break;
        default:
            value = json_string(v->text[0]);
            break;
        }
        json_object_set_new(json, members[i].key, value);
    }
}

#define SET_MEMBERS(o, members, json) \
    plan_build_set(o, members, sizeof(members) / sizeof((members)[0]), json)

static int build_request(const struct options *o, struct diag *d, json_t **ret_request)
{
    const struct options_value *header = &o->value[OPTIONS_HEADER];
    json_t *request = json_pack("{s:s}", "url", options_text(o, OPTIONS_URL, ""));
    json_t *headers = json_object(), *values;
    const char *name;
    int r = 0;

    SET_MEMBERS(o, request_members, request);
    for (size_t i = 0; r == 0 && i < header->n; i++)
        r = add_header(headers, header->spelling, header->text[i], d);
    json_object_foreach(headers, name, values)
    {
        if (json_array_size(values) == 1)
            json_object_set(headers, name, json_array_get(values, 0));
    }
    if (header->n > 0)
        json_object_set(request, "headers", headers);
    json_decref(headers);
    add_payload(o, request);
    if (r == 0)
        *ret_request = request;
    else
        json_decref(request);
    return r;
}

// "RATE:SECONDS"
static int add_ramp(const struct options *o, const char *text, struct diag *d, json_t *ramp)
{
    const char *colon = strchr(text, ':');
    char *rate_text = xstrndup(text, strcspn(text, ":"));
    double rate = 0;
    uint64_t seconds = 0;
    bool ok = colon != NULL && options_parse_real(rate_text, &rate) &&
              str_parse_u64(colon + 1, 1, PLAN_DURATION_MAX_S, &seconds) == 0;

    free(rate_text);
    if (!ok)
        return diag_add(d, 0, 0, "%s %s: found \"%s\", expected RATE:SECONDS, such as 500:60",
                        spelling(o, OPTIONS_RAMP), text, text);
    json_array_append_new(ramp,
                          json_pack("{s:f, s:I}", "rate", rate, "duration", (json_int_t)seconds));
    return 0;
}

static int build_ramp(const struct options *o, json_t *iteration, struct diag *d)
{
    const struct options_value *given = &o->value[OPTIONS_RAMP];
    json_t *ramp = json_array();
    int r = 0;

    for (size_t i = 0; r == 0 && i < given->n; i++)
        r = add_ramp(o, given->text[i], d, ramp);
    if (given->n > 0)
        json_object_set(iteration, "ramp", ramp);
    json_decref(ramp);
    return r;
}

// The text up to the next ';' without blanks around it, cut off at *rest; NULL: nothing is left.
static char *next_part(char **rest)
{
    char *part = strsep(rest, ";");

    if (part == NULL)
        return NULL;
    part += strspn(part, " ");
    for (size_t len = strlen(part); len > 0 && part[len - 1] == ' '; len--)
        part[len - 1] = '\0';
    return part;
}

static int check_rule(const char *metric, const char *grace, const char *codes, char *why,
                      size_t size)
{
    struct rule_codes ignored_codes;
    struct rule ignored;
    int64_t ignored_ms;
    int r = 0;

    if (!plan_has_placeholder(metric))
        r = rule_parse(metric, &ignored, why, size);
    if (r == 0 && grace != NULL && !plan_has_placeholder(grace))
        r = rule_parse_span(grace, &ignored_ms, why, size);
    if (r == 0 && codes != NULL && !plan_has_placeholder(codes))
        r = rule_parse_codes(codes, &ignored_codes, why, size);
    return r;
}

// "METRIC[;CODES]", or "METRIC;GRACE[;CODES]" where it has a grace period.
static int add_rule(const struct options *o, enum options_id id, const char *text, bool has_grace,
                    json_t *rules, struct diag *d)
{
    char *copy = xstrdup(text), *rest = copy, why[RULE_BYTES_MAX] = "";
    const char *metric = next_part(&rest);
    const char *grace = has_grace ? next_part(&rest) : NULL;
    const char *codes = next_part(&rest);
    int r;

    if (rest != NULL || (has_grace && grace == NULL))
        r = diag_add(d, 0, 0, "%s \"%s\": expected METRIC%s or METRIC%s;CODES", spelling(o, id),
                     text, has_grace ? ";GRACE" : "", has_grace ? ";GRACE" : "");
    else if ((r = check_rule(metric, grace, codes, why, sizeof(why))) < 0)
        diag_add(d, 0, 0, "%s \"%s\": %s", spelling(o, id), text, why);
    if (r == 0) {
        json_t *json = json_object();
        json_object_set_new(json, "metric", json_string(metric));
        if (grace != NULL)
            json_object_set_new(json, "gracePeriod", json_string(grace));
        if (codes != NULL)
            json_object_set_new(json, "errorStatusCodes", json_string(codes));
        json_array_append_new(rules, json);
    }
    free(copy);
    return r;
}

static int add_rules(const struct options *o, enum options_id id, const char *key, bool has_grace,
                     json_t *iteration, struct diag *d)
{
    const struct options_value *v = &o->value[id];
    json_t *rules = json_array();
    int r = 0;

    for (size_t i = 0; r == 0 && i < v->n; i++)
        r = add_rule(o, id, v->text[i], has_grace, rules, d);
    if (v->n > 0)
        json_object_set(iteration, key, rules);
    json_decref(rules);
    return r;
}

int plan_build_iteration(const struct options *o, const char *name, bool is_file, struct diag *d,
                         json_t **ret_iteration)
{
    enum plan_mode mode = PLAN_MODE_UNDEFINED;
    json_t *json = NULL, *request = NULL;

    int r = check_url(o, is_file, d);
    if (r == 0)
        r = plan_build_check_utf8(o, d);
    if (r == 0)
        r = choose_mode(o, d, &mode);
    if (r == 0)
        r = check_mode_options(o, mode, d);
    if (r < 0)
        return r;
    json = json_pack("{s:s, s:s}", "name", name, "mode", plan_mode_name(mode));
    SET_MEMBERS(o, iteration_members, json);
    r = build_ramp(o, json, d);
    if (r == 0)
        r = build_request(o, d, &request);
    if (r == 0)
        json_object_set_new(json, "httpRequest", request);
    if (r == 0)
        r = add_rules(o, OPTIONS_FAILURE_RULE, "failureRules", false, json, d);
    if (r == 0)
        r = add_rules(o, OPTIONS_TERMINATION_RULE, "terminationRules", true, json, d);
    if (r < 0) {
        json_decref(json);
        return r;
    }
    *ret_iteration = json;
    return 0;
}

// Takes iteration.
static json_t *build_json(const struct options *o, json_t *iteration)
{
    json_t *round =
        json_pack("{s:s}", "name", options_text(o, OPTIONS_ROUND_NAME, "Quick-Test-Round"));

    SET_MEMBERS(o, round_members, round);
    json_object_set_new(round, "iterations", json_pack("[o]", iteration));
    return json_pack("{s:s, s:[o]}", "name", options_text(o, OPTIONS_NAME, "Quick-Test-Plan"),
                     "rounds", round);
}

#define ROUND     "rounds[0]."
#define ITERATION ROUND "iterations[0]."
#define REQUEST   ITERATION "httpRequest."

// An entry about the JSON that the user never saw becomes one about the option behind it.
static void name_option(const struct options *o, struct diag_entry *e)
{
    static const struct plan_member origin[] = {
        {"name", OPTIONS_NAME},
        {ROUND "name", OPTIONS_ROUND_NAME},
        {ROUND "pacing", OPTIONS_PACING},
        {ITERATION "name", OPTIONS_ITERATION_NAME},
        {ITERATION "requestCount", OPTIONS_REQUEST_COUNT},
        {ITERATION "duration", OPTIONS_DURATION},
        {ITERATION "rate", OPTIONS_RATE},
        {ITERATION "ramp", OPTIONS_RAMP},
        {ITERATION "thinkTime", OPTIONS_CLIENT_THINK_TIME},
        {ITERATION "failureRules", OPTIONS_FAILURE_RULE},
        {ITERATION "terminationRules", OPTIONS_TERMINATION_RULE},
        {REQUEST "url", OPTIONS_URL},
        {REQUEST "method", OPTIONS_METHOD},
        {REQUEST "version", OPTIONS_HTTP_VERSION},
        {REQUEST "supportH2C", OPTIONS_SUPPORT_H2C},
        {REQUEST "headers", OPTIONS_HEADER},
        {REQUEST "clientCertificatePath", OPTIONS_CERTIFICATE_PATH},
        {REQUEST "clientCertificatePassword", OPTIONS_CERTIFICATE_PASSWORD},
        {REQUEST "payload.raw", OPTIONS_PAYLOAD},
        {REQUEST "payload.file", OPTIONS_PAYLOAD},
    };

    e->line = 0;
    for (size_t i = 0; i < sizeof(origin) / sizeof(origin[0]); i++) {
        size_t len = strlen(origin[i].key);
        if (!options_given(o, origin[i].id) || strncmp(e->text, origin[i].key, len) != 0 ||
            strchr(":[.", e->text[len]) == NULL)
            continue;
        const char *colon = strstr(e->text + len, ": ");
        if (colon == NULL)
            continue;
        // Of a header the name tells which one.
        bool has_name = origin[i].id == OPTIONS_HEADER && e->text[len] == '.';
        char *text = xasprintf("%s%s%s", spelling(o, origin[i].id), has_name ? " " : "",
                               has_name ? e->text + len + 1 : colon);
        free(e->text);
        e->text = text;
        return;
    }
}

static void name_options(const struct options *o, struct diag *d)
{
    for (size_t i = 0; i < d->n && i < DIAG_MAX; i++)
        name_option(o, &d->entry[i]);
}

int plan_build(const struct options *o, struct diag *warnings, struct diag *d,
               struct plan_build *ret_build)
{
    const char *name = options_text(o, OPTIONS_ITERATION_NAME, "Quick-Http-Iteration");
    static const enum options_id not_open[] = {OPTIONS_ARRIVAL_DELAY, OPTIONS_CLIENT_THINK_TIME};
    json_t *iteration = NULL;

    *ret_build = (struct plan_build){0};
    int r = plan_build_iteration(o, name, false, d, &iteration);
    if (r < 0)
        return r;
    ret_build->source = build_json(o, iteration);
    for (size_t i = 0; is_open(o) && i < sizeof(not_open) / sizeof(not_open[0]); i++)
        if (options_given(o, not_open[i]))
            return diag_add(d, 0, 0, "%s: not with a rate", spelling(o, not_open[i]));
    r = plan_files_parse(&(struct plan_file){.json = ret_build->source, .text = {.data = ""}}, o,
                         warnings, d, ret_build);
    name_options(o, d);
    name_options(o, warnings);
    return r;
}
