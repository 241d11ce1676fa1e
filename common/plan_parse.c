// A plan's frame: rounds, clients, global iterations, selection.
#include "common/plan.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/jtext.h"
#include "common/plan_impl.h"
#include "common/str.h"

#define IN_FLIGHT_DEFAULT 1000 // of an open round
#define TAGS_MAX          100

static const char *const plan_keys[] = {"name", "variables", "rounds", "reads"};
static const char *const source_plan_keys[] = {"name",       "variables", "environments",
                                               "iterations", "rounds",    "warmUp"};
// The last four are of sources.
static const char *const round_keys[] = {"name",
                                         "startupDelay",
                                         "numberOfClients",
                                         "arrivalDelay",
                                         "stages",
                                         "delayClientCreationUntilIsNeeded",
                                         "runInParallel",
                                         "pacing",
                                         "iterations",
                                         "baseUrl",
                                         "tags",
                                         "reference",
                                         "referencedIterations"};
#define N_SOURCE_ROUND_KEYS 4
static const char *const stage_keys[] = {"numberOfClients", "arrivalDelay", "startupDelay"};
static const char *const read_keys[] = {"source", "name", "file", "secret"};

static const struct plan_word pacings[] = {
    {"precise", PLAN_PACING_PRECISE},
    {"batched", PLAN_PACING_BATCHED},
};
static const struct plan_word read_sources[] = {{"file", 1}, {"env", 2}};

static bool same(const char *a, const char *b)
{
    return *a != '\0' && strcasecmp(a, b) == 0;
}

static void check_own_name(struct plan_reader *r, json_t *json, const char *name,
                           const struct plan_round *round)
{
    for (size_t i = 0; i + 1 < round->n_iterations; i++) {
        if (round->iterations[i].name == NULL || !same(name, round->iterations[i].name))
            continue;
        plan_fail_at(r, json, "name", "found \"%s\" again, expected a name of its own", name);
        return;
    }
}

static struct plan_iteration *append_iteration(struct plan_round *round)
{
    round->iterations =
        xreallocarray(round->iterations, round->n_iterations + 1, sizeof *round->iterations);
    struct plan_iteration *it = &round->iterations[round->n_iterations++];
    *it = (struct plan_iteration){0};
    return it;
}

// The next of a round's iterations, at the place of the walk.
static void add_iteration(struct plan_reader *r, json_t *json, struct plan_round *round)
{
    struct plan_iteration *it = append_iteration(round);

    if (jcheck_object(&r->c, json) < 0)
        return;
    plan_read_iteration(r, json, it);
    check_own_name(r, json, it->name, round);
}

static void read_iterations(struct plan_reader *r, json_t *json, struct plan_round *round)
{
    struct jcheck_place outer, back;
    json_t *list = plan_enter_list(r, json, "iterations", PLAN_SERIES_MAX, &outer);

    if (list == NULL)
        return;
    for (size_t i = 0; i < json_array_size(list); i++) {
        back = jcheck_index(&r->c, i);
        add_iteration(r, json_array_get(list, i), round);
        jcheck_leave(&r->c, back);
    }
    if (json_array_size(list) == 0 && plan_find(r, json, "reference") == NULL)
        jcheck_fail(&r->c, "found an empty list, expected at least one element");
    jcheck_leave(&r->c, outer);
}

// The walk stands elsewhere: at a global iteration, whose own mistakes are told there.
static void add_global(struct plan_reader *r, size_t i, struct plan_round *round)
{
    struct jcheck here = r->c;
    size_t n_before = r->c.d->n;

    if (r->is_global_wrong[i])
        return;
    jcheck_init(&r->c, here.text, here.len, here.d);
    r->c.places = here.places;
    jcheck_key(&r->c, "iterations");
    jcheck_index(&r->c, i);
    plan_read_iteration(r, json_array_get(r->globals, i), append_iteration(round));
    r->is_global_wrong[i] = r->c.d->n > n_before;
    jcheck_done(&r->c);
    r->c = here;
}

static size_t find_global(const struct plan_reader *r, const char *name)
{
    size_t i = 0;

    while (i < json_array_size(r->globals) && !same(name, r->global_names[i]))
        i++;
    return i;
}

static void no_global(struct plan_reader *r, const char *name)
{
    char *text =
        plan_none_such("global iteration", name, r->global_names, json_array_size(r->globals));

    jcheck_fail(&r->c, "%s", text);
    free(text);
}

static void read_references(struct plan_reader *r, json_t *json, struct plan_round *round)
{
    struct jcheck_place outer, back;
    json_t *list = plan_enter_list(r, json, "reference", PLAN_SERIES_MAX, &outer);

    if (list == NULL)
        return;
    for (size_t i = 0; i < json_array_size(list); i++) {
        back = jcheck_index(&r->c, i);
        char *name = plan_setup(r, json_array_get(list, i), false);
        size_t at = name != NULL ? find_global(r, name) : 0;
        bool is_there = name != NULL && at < json_array_size(r->globals);
        for (size_t j = 0; is_there && j < round->n_iterations; j++)
            if (round->iterations[j].name != NULL && same(name, round->iterations[j].name))
                jcheck_fail(&r->c, "found \"%s\" again, expected a name of its own", name);
        if (is_there)
            add_global(r, at, round);
        else if (name != NULL)
            no_global(r, name);
        free(name);
        jcheck_leave(&r->c, back);
    }
    if (json_array_size(list) == 0 && json_array_size(plan_find(r, json, "iterations")) == 0)
        jcheck_fail(&r->c, "found an empty list, expected at least one element");
    jcheck_leave(&r->c, outer);
}

static void read_stage(struct plan_reader *r, json_t *json, void *element)
{
    struct plan_stage *stage = element;

    plan_check_keys(r, json, stage_keys, PLAN_N_OF(stage_keys));
    if (plan_require(r, json, "numberOfClients") != NULL)
        stage->n_clients = plan_read_count(r, json, "numberOfClients", 1, PLAN_CLIENTS_MAX, 0);
    stage->arrival_delay_ms = plan_read_count(r, json, "arrivalDelay", 0, PLAN_DELAY_MAX_MS, 0);
    stage->startup_delay_ms = plan_read_count(r, json, "startupDelay", 0, PLAN_DELAY_MAX_MS, 0);
}

static void read_stages(struct plan_reader *r, json_t *json, struct plan_round *round)
{
    size_t n_before = r->c.d->n;
    struct jcheck_place back;

    round->stages = plan_read_list(r, json, "stages", PLAN_STAGES_MAX, sizeof *round->stages,
                                   read_stage, &round->n_stages);
    for (size_t i = 0; i < round->n_stages; i++)
        round->n_clients += round->stages[i].n_clients;
    back = jcheck_key(&r->c, plan_key(r, json, "stages"));
    if (round->n_stages == 0 && r->c.d->n == n_before)
        jcheck_fail(&r->c, "found an empty list, expected at least one element");
    if (round->n_clients > PLAN_CLIENTS_MAX)
        jcheck_fail(&r->c, "found %" PRIu64 " clients together, expected at most %d",
                    round->n_clients, PLAN_CLIENTS_MAX);
    jcheck_leave(&r->c, back);
}

// What LPS passes over beside stages; a canonical plan has none of it.
static void check_beside_stages(struct plan_reader *r, json_t *json)
{
    static const char *const keys[] = {"numberOfClients", "arrivalDelay"};

    for (size_t i = 0; i < PLAN_N_OF(keys); i++) {
        if (plan_find(r, json, keys[i]) == NULL)
            continue;
        if (r->source != NULL) {
            struct jcheck_place back = jcheck_key(&r->c, plan_key(r, json, keys[i]));
            plan_warn(r, "has no effect beside \"stages\"");
            jcheck_leave(&r->c, back);
        } else {
            jcheck_fail_key(&r->c, keys[i], "found \"%s\" and \"stages\", expected one of them",
                            keys[i]);
        }
    }
}

// One stage stands for all clients, where the plan has none.
static void read_clients(struct plan_reader *r, json_t *json, struct plan_round *round)
{
    static const char *const not_open[] = {"arrivalDelay", "stages"};

    for (size_t i = 0; round->is_open && i < PLAN_N_OF(not_open); i++)
        if (plan_find(r, json, not_open[i]) != NULL)
            jcheck_fail_key(&r->c, plan_key(r, json, not_open[i]),
                            "found \"%s\", expected none in a round whose iterations have a rate",
                            not_open[i]);
    if (plan_find(r, json, "stages") != NULL && !round->is_open) {
        check_beside_stages(r, json);
        read_stages(r, json, round);
        return;
    }
    round->n_stages = 1;
    round->stages = xcalloc(1, sizeof *round->stages);
    round->n_clients = plan_read_count(r, json, "numberOfClients", 1, PLAN_CLIENTS_MAX,
                                       round->is_open ? IN_FLIGHT_DEFAULT : 1);
    round->stages->n_clients = round->n_clients;
    if (!round->is_open)
        round->stages->arrival_delay_ms =
            plan_read_count(r, json, "arrivalDelay", 0, PLAN_DELAY_MAX_MS, 0);
}

// Whether the round is open: known before its clients are read, whose keys depend on it.
static bool read_is_open(struct plan_reader *r, json_t *json)
{
    json_t *list = plan_find(r, json, "iterations"), *references = plan_find(r, json, "reference");
    size_t n = json_array_size(list), n_open = 0, n_all = n;

    for (size_t i = 0; i < n; i++)
        n_open += plan_has_rate(r, json_array_get(list, i));
    for (size_t i = 0; r->globals != NULL && i < json_array_size(references); i++) {
        const char *name = json_string_value(json_array_get(references, i));
        size_t at = name != NULL ? find_global(r, name) : json_array_size(r->globals);
        if (at == json_array_size(r->globals))
            continue;
        n_all++;
        n_open += plan_has_rate(r, json_array_get(r->globals, at));
    }
    if (n_open > 0 && n_open < n_all)
        jcheck_fail_key(&r->c, plan_key(r, json, n > 0 ? "iterations" : "reference"),
                        "found %zu with a rate and %zu without, expected one kind: a round is "
                        "open or closed",
                        n_open, n_all - n_open);
    return n_open > 0;
}

// Which names are asked for, and which of them there are.
struct selection {
    const char *const *wanted;
    size_t n_wanted;
    bool *is_met;
    char **there; // for those that are not
    size_t n_there;
};

static bool meet(struct selection *s, const char *name)
{
    bool is_wanted = false;

    s->there = xreallocarray(s->there, s->n_there + 1, sizeof *s->there);
    s->there[s->n_there++] = xstrdup(name);
    for (size_t i = 0; i < s->n_wanted; i++) {
        if (same(name, s->wanted[i]))
            is_wanted = s->is_met[i] = true;
    }
    return is_wanted;
}

static void end_selection(struct plan_reader *r, struct selection *s, const char *what)
{
    for (size_t i = 0; i < s->n_wanted; i++) {
        if (s->is_met[i])
            continue;
        char *text = plan_none_such(what, s->wanted[i], s->there, s->n_there);
        diag_add(r->c.d, 0, 0, "%s", text);
        free(text);
    }
    for (size_t i = 0; i < s->n_there; i++)
        free(s->there[i]);
    free(s->there);
    free(s->is_met);
}

static void begin_selection(struct selection *s, const char *const *wanted, size_t n)
{
    *s = (struct selection){.wanted = wanted, .n_wanted = n, .is_met = xcalloc(n + 1, 1)};
}

static bool read_tags(struct plan_reader *r, json_t *json, struct selection *tags)
{
    struct jcheck_place outer, back;
    json_t *list = plan_enter_list(r, json, "tags", TAGS_MAX, &outer);
    bool is_wanted = false;

    if (list == NULL)
        return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        back = jcheck_index(&r->c, i);
        char *tag = plan_setup(r, json_array_get(list, i), false);
        if (tag != NULL)
            is_wanted |= meet(tags, tag);
        free(tag);
        jcheck_leave(&r->c, back);
    }
    jcheck_leave(&r->c, outer);
    return is_wanted;
}

static void read_round(struct plan_reader *r, json_t *json, struct plan_round *round)
{
    plan_check_keys(r, json, round_keys,
                    PLAN_N_OF(round_keys) - (r->source == NULL ? N_SOURCE_ROUND_KEYS : 0));
    round->name = plan_read_name(r, json);
    round->is_open = read_is_open(r, json);
    round->startup_delay_ms = plan_read_count(r, json, "startupDelay", 0, PLAN_DELAY_MAX_MS, 0);
    read_clients(r, json, round);
    plan_read_bool(r, json, "delayClientCreationUntilIsNeeded"); // as it always is
    round->is_parallel = plan_read_bool(r, json, "runInParallel");
    round->pacing =
        (enum plan_pacing)plan_read_word(r, json, "pacing", pacings, PLAN_N_OF(pacings),
                                         "\"precise\" or \"batched\"", PLAN_PACING_PRECISE);
    char *base = r->source != NULL ? plan_read_base(r, json) : NULL;
    r->base = base;
    if (r->source == NULL || plan_find(r, json, "reference") == NULL)
        plan_require(r, json, "iterations");
    read_iterations(r, json, round);
    if (r->source != NULL)
        read_references(r, json, round);
    r->base = NULL;
    r->has_any_base = false;
    free(base);
}

static void check_round_name(struct plan_reader *r, json_t *json, struct selection *names)
{
    const char *name = names->there[names->n_there - 1];

    for (size_t i = 0; i + 1 < names->n_there; i++) {
        if (!same(name, names->there[i]))
            continue;
        plan_fail_at(r, json, "name", "found \"%s\" again, expected a name of its own", name);
        return;
    }
}

// A round that is not wanted is checked as any other, and left out.
static void add_round(struct plan_reader *r, json_t *json, struct selection *names,
                      struct selection *tags)
{
    struct plan *plan = r->plan;
    size_t n_reads = plan->n_reads;

    plan->rounds = xreallocarray(plan->rounds, plan->n_rounds + 1, sizeof *plan->rounds);
    struct plan_round *round = &plan->rounds[plan->n_rounds];
    *round = (struct plan_round){0};
    if (jcheck_object(&r->c, json) < 0)
        return;
    read_round(r, json, round);
    bool is_wanted = meet(names, round->name);
    check_round_name(r, json, names);
    if (r->source != NULL)
        is_wanted |= read_tags(r, json, tags);
    if (is_wanted || (names->n_wanted == 0 && tags->n_wanted == 0)) {
        plan->n_rounds++;
        return;
    }
    plan_round_done(round);
    plan_cut_reads(r, n_reads);
}

static void read_rounds(struct plan_reader *r, json_t *json)
{
    const struct plan_source *source = r->source;
    struct selection names, tags;
    struct jcheck_place outer, back;
    json_t *list = plan_require(r, json, "rounds") == NULL
                       ? NULL
                       : plan_enter_list(r, json, "rounds", PLAN_SERIES_MAX, &outer);

    if (list == NULL)
        return;
    begin_selection(&names, source ? source->rounds : NULL, source ? source->n_rounds : 0);
    begin_selection(&tags, source ? source->tags : NULL, source ? source->n_tags : 0);
    if (json_array_size(list) == 0)
        jcheck_fail(&r->c, "found an empty list, expected at least one element");
    for (size_t i = 0; i < json_array_size(list); i++) {
        back = jcheck_index(&r->c, i);
        add_round(r, json_array_get(list, i), &names, &tags);
        jcheck_leave(&r->c, back);
        if (plan_n_series(r->plan) > PLAN_SERIES_MAX) {
            jcheck_fail(&r->c, "found more than %d iterations in all", PLAN_SERIES_MAX);
            break;
        }
    }
    end_selection(r, &names, "round");
    end_selection(r, &tags, "tag");
    jcheck_leave(&r->c, outer);
}

// Checks all of them, at their own place; those that rounds refer to are read again for each.
static void read_globals(struct plan_reader *r, json_t *plan)
{
    struct jcheck_place outer, back;
    json_t *list = plan_enter_list(r, plan, "iterations", PLAN_SERIES_MAX, &outer);
    size_t n = json_array_size(list), n_reads = r->plan->n_reads;
    struct plan_round all = {0};

    if (list == NULL)
        return;
    r->globals = list;
    r->global_names = xcalloc(n + 1, sizeof *r->global_names);
    r->is_global_wrong = xcalloc(n + 1, sizeof *r->is_global_wrong);
    r->has_any_base = true;
    for (size_t i = 0; i < n; i++) {
        size_t n_before = r->c.d->n;
        back = jcheck_index(&r->c, i);
        add_iteration(r, json_array_get(list, i), &all);
        r->global_names[i] = xstrdup(all.iterations[i].name != NULL ? all.iterations[i].name : "");
        r->is_global_wrong[i] = r->c.d->n > n_before;
        jcheck_leave(&r->c, back);
    }
    r->has_any_base = false;
    plan_round_done(&all);
    plan_cut_reads(r, n_reads);
    jcheck_leave(&r->c, outer);
}

static void read_read(struct plan_reader *r, json_t *json, void *element)
{
    struct plan_read *read = element;

    plan_check_keys(r, json, read_keys, PLAN_N_OF(read_keys));
    if (plan_require(r, json, "source") != NULL)
        read->is_env = plan_read_word(r, json, "source", read_sources, PLAN_N_OF(read_sources),
                                      "\"file\" or \"env\"", 0) == 2;
    if (plan_require(r, json, "name") != NULL)
        read->name = plan_read_text(r, json, "name", PLAN_BYTES_MAX, false);
    read->is_secret = plan_read_bool(r, json, "secret");
    if ((read->is_secret && plan_find(r, json, "file") == NULL) ||
        plan_require(r, json, "file") != NULL)
        plan_read_file(r, json, "file", PLAN_USE_READ, NULL, read->file, NULL);
    if (read->name == NULL)
        read->name = xstrdup("");
}

static void read_plan(struct plan_reader *r, json_t *json)
{
    struct plan *plan = r->plan;

    if (jcheck_object(&r->c, json) < 0)
        return;
    if (r->source != NULL)
        plan_check_keys(r, json, source_plan_keys, PLAN_N_OF(source_plan_keys));
    else
        plan_check_keys(r, json, plan_keys, PLAN_N_OF(plan_keys));
    plan_read_variables(r, json);
    plan->name = plan_read_name(r, json);
    if (r->source != NULL) {
        plan->warm_up = plan_read_bool(r, json, "warmUp");
        read_globals(r, json);
    } else {
        plan->reads = plan_read_list(r, json, "reads", PLAN_READS_MAX, sizeof *plan->reads,
                                     read_read, &plan->n_reads);
    }
    read_rounds(r, json);
}

static int check_size(const struct plan *plan, struct diag *d)
{
    char *text = plan_format(plan), *public = plan_format_public(plan);
    size_t len = strlen(text);

    if (strlen(public) > len) // "***" may be longer than what it stands for
        len = strlen(public);
    free(text);
    free(public);
    if (len <= PLAN_BYTES_MAX)
        return 0;
    return diag_add(d, 0, 0, "found a plan of %zu bytes, expected at most %d: use payload files",
                    len, PLAN_BYTES_MAX);
}

// What a method reads when a placeholder is worked out.
static const char *give_content(void *arg, bool is_env, const char *name, size_t *ret_len)
{
    const struct plan_reader *r = arg;
    const struct plan *plan = r->plan;

    for (size_t i = 0; i < plan->n_reads; i++) {
        if (plan->reads[i].is_env != is_env || strcmp(plan->reads[i].name, name) != 0)
            continue;
        *ret_len = r->contents[i].len;
        return r->contents[i].bytes;
    }
    return NULL;
}

static int parse(struct plan_reader *r, json_t *json, const char *text, size_t len,
                 const struct places *places, struct diag *d, struct plan **ret_plan)
{
    struct plan *plan = xcalloc(1, sizeof *plan);
    size_t n_before = d->n;

    jcheck_init(&r->c, text, len, d);
    r->c.places = places;
    r->plan = plan;
    read_plan(r, json);
    jcheck_done(&r->c);
    if (d->n > n_before || check_size(plan, d) < 0) {
        plan_free(plan);
        return -EINVAL;
    }
    *ret_plan = plan;
    return 0;
}

int plan_parse(const char *text, size_t len, struct diag *d, struct plan **ret_plan)
{
    struct plan_reader r = {0};
    json_t *json;

    int result = jtext_parse(text, len, d, &json);
    if (result < 0)
        return result;
    result = parse(&r, json, text, len, NULL, d, ret_plan);
    json_decref(json);
    return result;
}

int plan_parse_source(json_t *json, const char *text, size_t len, const struct places *places,
                      const struct plan_source *source, struct diag *d, struct plan **ret_plan)
{
    struct plan_reader r = {
        .source = source,
        .env = {.globals = globals_new(),
                .unix_ms = source->unix_ms,
                .n_parts = 1,
                .read = give_content},
    };

    r.env.random = &r.random;
    r.env.arg = &r;
    script_random_seed(&r.random, 0, 0);
    int result = parse(&r, json, text, len, places, d, ret_plan);
    globals_free(r.env.globals);
    for (size_t i = 0; i < json_array_size(r.globals); i++)
        free(r.global_names[i]);
    free(r.global_names);
    free(r.is_global_wrong);
    free(r.contents);
    return result;
}

struct plan *plan_public(const struct plan *plan)
{
    char *text = plan_format_public(plan);
    struct diag d = {0};
    struct plan *copy = NULL;

    int r = plan_parse(text, strlen(text), &d, &copy);
    assert(r == 0);
    (void)r;
    diag_done(&d);
    free(text);
    return copy;
}
