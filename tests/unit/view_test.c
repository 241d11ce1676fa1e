#include "master/daemon/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/jtext.h"
#include "common/str.h"

#define S 1000000000LL

static const char plan_text[] =
    "{\"name\":\"p\",\"rounds\":[{\"name\":\"r\",\"numberOfClients\":1,\"iterations\":[{\"name\":"
    "\"i\","
    "\"mode\":\"R\",\"requestCount\":1,\"httpRequest\":{\"url\":\"http://127.0.0.1/\"}}]}]}";

struct world {
    struct cluster *cluster;
    struct run *run;
    int64_t now;
    struct cluster_node *node[2];
};

static char session[2];

static void add_node(struct world *w, int i)
{
    const uint8_t instance[16] = {(uint8_t)i};
    struct cluster_facts facts = {.version = "0.1.0", .cpus = 2};

    cluster_hello(w->cluster, w->now, i == 0 ? "w1" : "w2", instance, 1, &facts, &session[i],
                  &w->node[i]);
    cluster_clock(w->cluster, w->now, w->node[i], 5, 300000, 150000);
}

static void submit(struct world *w, int i)
{
    static const uint8_t digest[32] = {0xab};
    struct cluster_submission s = {.id = i == 0 ? "s1" : "s2",
                                   .digest = digest,
                                   .plan_name = "p",
                                   .run = "",
                                   .new_run = "run"};

    cluster_submit(w->cluster, w->now, w->node[i], &s);
}

static struct world world(void)
{
    struct cluster_config config = {.node_name = "m1",
                                    .master_is_worker = true,
                                    .expected = 2,
                                    .start_lead_ns = 2 * S,
                                    .lease_ns = 3 * S,
                                    .rejoin_grace_ns = 10 * S};
    struct world w = {.cluster = cluster_new(&config), .now = 100 * S};
    struct plan *plan;
    struct diag d = {0};

    add_node(&w, 0);
    add_node(&w, 1);
    submit(&w, 0);
    assert_int_equal(plan_parse(plan_text, strlen(plan_text), &d, &plan), 0);
    w.run = run_new("run", plan, 5, NULL, NULL);
    return w;
}

static void start(struct world *w)
{
    submit(w, 1);
    w->now += 2 * S;
    cluster_timer(w->cluster, w->now);
}

static void world_end(struct world *w)
{
    cluster_free(w->cluster);
    run_free(w->run);
}

static struct view view(const struct world *w)
{
    return (struct view){.cluster = w->cluster,
                         .run = w->run,
                         .node = "m1",
                         .expected = 2,
                         .now_ns = w->now,
                         .now_ms = 6};
}

static const char *status(const struct world *w)
{
    static char text[128];
    struct view v = view(w);

    return view_status(&v, text, sizeof text);
}

static void add_window(struct world *w, uint32_t source, int64_t k, uint64_t n)
{
    struct metrics_window *window = metrics_window_new(k, 1);

    window->series[0].n.started = window->series[0].n.completed = n;
    window->series[0].status[200] = n - 1;
    window->series[0].status[404] = 1;
    for (uint64_t i = 0; i < n; i++)
        hist_record(&window->series[0].latency[METRICS_SERVICE], 100 * (i + 1));
    run_add_window(w->run, source, window);
    metrics_window_free(window);
}

static void finish(struct world *w, int i, uint64_t started)
{
    struct cluster_member *m;
    struct run_fin fin = {.totals = {.started = started, .completed = started},
                          .has_start = true,
                          .start_skew_ns = 420000};

    assert_int_equal(cluster_fin(w->cluster, w->now, w->node[i], "run", 1, &m), CLUSTER_TAKE);
    run_add_fin(w->run, m->source, &fin, w->now);
    run_commit_fin(w->run, m->source);
    cluster_commit(w->cluster, w->now, "run", m->source, 1, true, NULL);
}

static const json_t *at(const json_t *json, const char *a, const char *b)
{
    const json_t *member = json_object_get(json, a);

    return b == NULL ? member : json_object_get(member, b);
}

static void the_status_says_what_is_waited_for(void **state)
{
    struct world w = world();

    (void)state;
    assert_string_equal(status(&w), "1/2 workers");
    submit(&w, 1);
    w.now += 100000000;
    assert_string_equal(status(&w), "2/2 workers, starts in 1.9 s");
    w.now += 2 * S;
    cluster_timer(w.cluster, w.now);
    add_window(&w, 0, 0, 7);
    w.now += 14 * S;
    assert_string_equal(status(&w), "2 workers, 14 s, 7 requests");
    cluster_cancel(w.cluster, w.now, w.node[0], "s1", false);
    assert_string_equal(status(&w), "2 workers, 14 s, 7 requests, cancelling");
    finish(&w, 0, 7);
    finish(&w, 1, 0);
    assert_string_equal(status(&w), "no run");
    world_end(&w);
}

static void the_state_without_a_run_has_null(void **state)
{
    struct cluster_config config = {.node_name = "m1"};
    struct world w = {.cluster = cluster_new(&config)};
    struct view v = view(&w);

    (void)state;
    json_t *json = view_state(&v);
    assert_non_null(json);
    assert_true(json_is_null(at(json, "run", NULL)));
    assert_string_equal(json_string_value(at(json, "state", NULL)), "Created");
    assert_string_equal(json_string_value(at(json, "status", NULL)), "no run");
    assert_int_equal(json_array_size(at(json, "nodes", NULL)), 0);
    json_decref(json);
    cluster_free(w.cluster);
}

static void the_state_names_what_is_missing(void **state)
{
    struct world w = world();
    struct view v = view(&w);

    (void)state;
    json_t *json = view_state(&v);
    assert_non_null(json);
    assert_int_equal(json_integer_value(at(json, "run", "missing")), 1);
    assert_int_equal(json_integer_value(at(json, "run", "startsAt")), 0);
    assert_int_equal(json_integer_value(at(json, "run", "k")), -1);
    assert_int_equal(json_array_size(at(json, "nodes", NULL)), 2);
    json_decref(json);
    world_end(&w);
}

static void members_show_what_was_merged(void **state)
{
    struct world w = world();

    (void)state;
    start(&w);
    add_window(&w, 0, 0, 3);
    add_window(&w, 0, 1, 4);
    struct view v = view(&w);
    json_t *json = view_state(&v);
    const json_t *m = json_array_get(at(json, "run", "members"), 0);
    assert_string_equal(json_string_value(at(m, "state", NULL)), "Running");
    assert_int_equal(json_integer_value(at(m, "lastK", NULL)), 1);
    assert_int_equal(json_integer_value(at(m, "requests", NULL)), 7);
    assert_int_equal(json_integer_value(at(m, "errors", NULL)), 2);
    assert_true(json_is_null(at(m, "startSkewUs", NULL)));
    json_decref(json);
    world_end(&w);
}

static void a_lost_worker_degrades_and_a_failed_store_is_told(void **state)
{
    struct world w = world();

    (void)state;
    start(&w);
    cluster_gone(w.cluster, w.now, w.node[1], &session[1], "stream lost");
    w.run->durable = false;
    json_t *flags = view_flags(cluster_run(w.cluster), w.run);
    char *text = jtext_format(flags, false);
    assert_string_equal(text, "[\"degraded\",\"not-durable\"]");
    free(text);
    json_decref(flags);
    world_end(&w);
}

static void a_frame_has_changed_points_once_and_all_totals(void **state)
{
    struct world w = world();
    size_t n;

    (void)state;
    assert_null(run_take_changed(w.run, false, 10, &n));
    add_window(&w, 0, 0, 3);
    add_window(&w, 0, 1, 3);
    const struct aggregate_point *points = run_take_changed(w.run, false, 10, &n);
    assert_int_equal(n, 2);
    json_t *json = view_frame(w.run, points, n);
    assert_non_null(json);
    assert_int_equal(json_integer_value(at(json, "k", NULL)), 1);
    assert_int_equal(json_integer_value(at(json, "totals", "requests")), 6);
    assert_int_equal(json_integer_value(at(json, "totals", "errors")), 2);
    assert_int_equal(json_integer_value(json_object_get(at(json, "totals", "statusCodes"), "404")),
                     2);
    assert_int_equal(json_integer_value(at(json, "totals", "p50Us")), 200);
    json_decref(json);
    assert_null(run_take_changed(w.run, false, 10, &n));
    add_window(&w, 1, 1, 3);
    points = run_take_changed(w.run, false, 10, &n);
    assert_int_equal(n, 1);
    assert_int_equal(points->k, 1);
    assert_int_equal(points->started, 6);
    world_end(&w);
}

static void at_most_so_many_points_are_taken_the_newest(void **state)
{
    struct world w = world();
    size_t n;

    (void)state;
    for (int64_t k = 0; k < 5; k++)
        add_window(&w, 0, k, 1);
    assert_int_equal(run_take_changed(w.run, true, 2, &n)->k, 3);
    assert_int_equal(n, 2);
    assert_int_equal(run_take_changed(w.run, true, 5, &n)->k, 0);
    assert_int_equal(n, 5);
    world_end(&w);
}

static void the_duration_ends_with_the_last_fin_within_its_second(void **state)
{
    static const struct {
        int64_t fin_after, want;
    } cases[] = {{1300000000, 1300000000}, {900000000, 1 * S}, {5 * S, 2 * S}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w = world();
        start(&w);
        add_window(&w, 0, 1, 1);
        w.now += cases[i].fin_after;
        finish(&w, 0, 1);
        finish(&w, 1, 0);
        assert_int_equal(cluster_run(w.cluster)->state, CLUSTER_STOPPED);
        assert_int_equal(run_duration_ns(w.run, cluster_run(w.cluster), w.now + 9 * S),
                         cases[i].want);
        world_end(&w);
    }
}

static void a_run_without_any_window_lasted_for_nothing(void **state)
{
    struct world w = world();

    (void)state;
    start(&w);
    finish(&w, 0, 0);
    finish(&w, 1, 0);
    assert_int_equal(run_duration_ns(w.run, cluster_run(w.cluster), w.now), 0);
    world_end(&w);
}

static void a_result_has_its_workers_by_name_and_no_verdict_while_open(void **state)
{
    struct world w = world();

    (void)state;
    start(&w);
    add_window(&w, 0, 0, 3);
    json_t *open = run_result(w.run, cluster_run(w.cluster), w.now);
    assert_true(json_is_null(at(open, "verdict", NULL)));
    json_decref(open);
    finish(&w, 0, 3);
    finish(&w, 1, 1); // says that it sent one, and no window had it
    json_t *result = run_result(w.run, cluster_run(w.cluster), w.now);
    assert_string_equal(
        json_string_value(at(json_array_get(at(result, "workers", NULL), 0), "node", NULL)), "w1");
    assert_false(json_is_true(at(result, "reconciliation", "agrees")));
    json_decref(result);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_status_says_what_is_waited_for),
        cmocka_unit_test(the_state_without_a_run_has_null),
        cmocka_unit_test(the_state_names_what_is_missing),
        cmocka_unit_test(members_show_what_was_merged),
        cmocka_unit_test(a_lost_worker_degrades_and_a_failed_store_is_told),
        cmocka_unit_test(a_frame_has_changed_points_once_and_all_totals),
        cmocka_unit_test(at_most_so_many_points_are_taken_the_newest),
        cmocka_unit_test(the_duration_ends_with_the_last_fin_within_its_second),
        cmocka_unit_test(a_run_without_any_window_lasted_for_nothing),
        cmocka_unit_test(a_result_has_its_workers_by_name_and_no_verdict_while_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
