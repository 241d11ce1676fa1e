#include "tests/unit/result_test_util.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char plan_text[] =
    "{\"name\":\"Shop\",\"rounds\":[{\"name\":\"r\",\"iterations\":[{\"name\":\"i\",\"mode\":\"R\","
    "\"requestCount\":10,\"httpRequest\":{\"url\":\"http://127.0.0.1/\",\"method\":\"GET\"}}]}]}";

int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    struct diag d = {0};

    if (plan_parse(plan_text, strlen(plan_text), &d, &f->plan) < 0)
        return -1;
    plan_digest(f->plan, f->digest);
    f->aggregate = aggregate_new(1, 10);
    for (int i = 0; i < 2; i++)
        f->members[i] = (struct result_member){.node = i == 0 ? "w1" : "w2",
                                               .state = RESULT_MEMBER_DONE,
                                               .last_k = 1,
                                               .has_start = true,
                                               .start_skew_ns = i == 0 ? -400000 : 200000,
                                               .start_error_ns = 100000};
    f->in = (struct result_input){.run_id = "0f1e2d3c-0000-4000-8000-000000000000",
                                  .plan = f->plan,
                                  .digest = f->digest,
                                  .started_wall_ms = 1,
                                  .duration_ns = 2000000000,
                                  .durable = true,
                                  .min_members = 2,
                                  .members = f->members,
                                  .n_members = 2,
                                  .aggregate = f->aggregate};
    *state = f;
    return 0;
}

int tear_down(void **state)
{
    struct fixture *f = *state;

    aggregate_free(f->aggregate);
    plan_free(f->plan);
    free(f);
    return 0;
}

void answer(struct fixture *f, unsigned status, uint64_t n)
{
    struct metrics_window *w = metrics_window_new(0, 1);

    w->series[0].n = (struct metrics_counters){.started = n, .completed = n};
    w->series[0].status[status] = n;
    for (uint64_t i = 0; i < n; i++)
        hist_record(&w->series[0].latency[METRICS_SERVICE], 1000);
    aggregate_add(f->aggregate, 0, w);
    metrics_window_free(w);
}

void refuse(struct fixture *f, uint64_t n)
{
    struct metrics_window *w = metrics_window_new(0, 1);

    w->series[0].n = (struct metrics_counters){.started = n, .failed = n};
    for (uint64_t i = 0; i < n; i++)
        metrics_record_error(&w->series[0], METRICS_ERROR_REFUSED, 0, "Connection refused");
    aggregate_add(f->aggregate, 0, w);
    metrics_window_free(w);
}

static const char hosts_text[] =
    "{\"name\":\"Hosts\",\"rounds\":[{\"name\":\"r\",\"iterations\":["
    "{\"name\":\"a\",\"mode\":\"R\",\"httpRequest\":{\"url\":\"http://b.example:8080/1\"}},"
    "{\"name\":\"b\",\"mode\":\"R\",\"httpRequest\":{\"url\":\"http://a.example/\"}}]},"
    "{\"name\":\"s\",\"iterations\":["
    "{\"name\":\"c\",\"mode\":\"R\",\"httpRequest\":{\"url\":\"https://A.example/x\"}},"
    "{\"name\":\"d\",\"mode\":\"R\",\"httpRequest\":{\"url\":\"http://b.example:8080/2\"}},"
    "{\"name\":\"e\",\"mode\":\"R\",\"httpRequest\":{\"url\":\"http://c.example/\"}}]}]}";

void use_hosts(struct fixture *f)
{
    struct diag d = {0};
    uint64_t n = 1;

    plan_free(f->plan);
    assert_int_equal(plan_parse(hosts_text, strlen(hosts_text), &d, &f->plan), 0);
    aggregate_free(f->aggregate);
    f->in.plan = f->plan;
    f->in.aggregate = f->aggregate = aggregate_new(5, 10);
    struct metrics_window *w = metrics_window_new(0, 5);
    for (uint64_t i = 0; i < 4; i++, n *= 10) {
        w->series[i].n = (struct metrics_counters){.started = n, .completed = n};
        w->series[i].status[i == 1 ? 404 : 200] = n;
        for (uint64_t k = 0; k < n; k++)
            hist_record(&w->series[i].latency[METRICS_SERVICE], (i + 1) * 1000);
    }
    aggregate_add(f->aggregate, 0, w);
    metrics_window_free(w);
}

void judge_hosts(struct judge_verdict *verdicts)
{
    const struct judge_verdict all[] = {
        {JUDGE_SUCCESS, NULL, 0, -1},
        {JUDGE_FAILED, (char *)"ErrorRate > 0.05", 1, -1},
        {JUDGE_TERMINATED, (char *)"TotalTime.P95 > 2.5", 3.001, 12},
        {JUDGE_TERMINATED, (char *)"${Metrics.r.a.Throughput.RPS} > 3", NAN, 7},
        {JUDGE_NOT_STARTED, NULL, 0, -1},
    };

    memcpy(verdicts, all, sizeof all);
}
