#include "common/metrics_tree.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/rule.h"

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static double per(uint64_t part, uint64_t of)
{
    return of == 0 ? 0 : (double)part / (double)of;
}

static double rate_of(enum rule_what what, const struct metrics_series *s,
                      const struct rule_errors *errors, int64_t elapsed_ms, uint64_t cool_down_ms)
{
    return rule_value(&(struct rule){.what = what}, s, errors, elapsed_ms, cool_down_ms);
}

static json_t *throughput_json(const struct plan_iteration *it, const struct metrics_series *s,
                               int64_t elapsed_ms)
{
    const struct metrics_counters *n = &s->n;
    struct rule_errors errors;
    rule_errors_init(&errors, it->failure, it->n_failure);
    uint64_t failed = rule_n_errors(&errors, s), ended = n->completed + n->failed;
    double rate = rate_of(RULE_THROUGHPUT, s, &errors, elapsed_ms, 0),
           batch = rate_of(RULE_RATE_PER_COOL_DOWN, s, &errors, elapsed_ms, it->cool_down_ms);
    json_t *json = json_pack(
        "{s:o s:o s:o s:o s:o s:o s:I s:I s:{s:s s:f} s:f s:f s:f}", "RequestsCount",
        number(n->started), "SkippedRequestsCount", number(n->skipped), "CurrentActiveRequests",
        number(n->in_flight), "MaxConcurrentRequests", number(n->in_flight_max),
        "SuccessfulRequestCount", number(ended > failed ? ended - failed : 0),
        "FailedRequestsCount", number(failed), "TimeElapsed", (json_int_t)elapsed_ms,
        "TimeElapsedMs", (json_int_t)elapsed_ms, "RequestsRate", "Every", "1s", "Value", rate,
        "RPS", rate, "RequestsPerSecond", rate, "ErrorRate", per(failed, ended));

    if (it->cool_down_ms > 0) {
        json_object_set_new(json, "RequestsRatePerCoolDownPeriod",
                            json_pack("{s:o s:f}", "Every",
                                      json_sprintf("%llums", (unsigned long long)it->cool_down_ms),
                                      "Value", batch));
        json_object_set_new(json, "RPSCD", json_real(batch));
        json_object_set_new(json, "RequestsRatePerCoolDown", json_real(batch));
    }
    return json;
}

static double ms(double us)
{
    return us / 1000;
}

static json_t *duration_json(const struct metrics_series *s)
{
    static const struct {
        const char *name;
        enum metrics_latency latency;
    } groups[] = {
        {"TotalTime", METRICS_SERVICE},
        {"ReceivingTime", METRICS_RECEIVE},
        {"SendingTime", METRICS_SEND},
        {"SSLHandshakeTime", METRICS_TLS},
        {"TCPHandshakeTime", METRICS_TCP},
        {"TimeToFirstByte", METRICS_TTFB},
        {"WaitingTime", METRICS_WAIT},
        {"ServerTime", METRICS_SERVER},
        {"DBServerTime", METRICS_SERVER_DB},
        {"ServerTimeDB", METRICS_SERVER_DB},
        {"ServerCacheTime", METRICS_SERVER_CACHE},
        {"ServerTimeCache", METRICS_SERVER_CACHE},
        {"ServerAppTime", METRICS_SERVER_APP},
        {"ServerTimeApp", METRICS_SERVER_APP},
    };
    json_t *json = json_object();

    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        const struct hist *h = &s->latency[groups[i].latency];
        json_object_set_new(
            json, groups[i].name,
            json_pack("{s:f s:f s:f s:f s:f s:f s:f s:f}", "Sum", ms((double)h->sum), "Average",
                      ms(hist_mean(h)), "Min", ms((double)h->min), "Max", ms((double)h->max), "P50",
                      ms((double)hist_percentile(h, 50)), "P90", ms((double)hist_percentile(h, 90)),
                      "P95", ms((double)hist_percentile(h, 95)), "P99",
                      ms((double)hist_percentile(h, 99))));
    }
    return json;
}

static json_t *response_code_json(const struct metrics_series *s)
{
    json_t *list = json_array();

    for (int code = 0; code < 600; code++) {
        uint64_t n = code == 0 ? s->n.failed : s->status[code];
        if (n > 0)
            json_array_append_new(
                list, json_pack("{s:i s:o}", "HttpStatusCode", code, "Count", number(n)));
    }
    return json_pack("{s:o}", "ResponseSummaries", list);
}

static json_t *data_json(const struct metrics_series *s, int64_t elapsed_ms)
{
    const struct metrics_counters *n = &s->n;
    double seconds = (double)elapsed_ms / 1000;
    double up = seconds > 0 ? (double)n->body_sent / seconds : 0,
           down = seconds > 0 ? (double)n->body_received / seconds : 0;

    // "TimeElpased" is how the name is written in plans.
    return json_pack("{s:o s:o s:f s:f s:f s:f s:f s:I}", "DataSent", number(n->body_sent),
                     "DataReceived", number(n->body_received), "AverageDataSent",
                     per(n->body_sent, n->started), "AverageDataReceived",
                     per(n->body_received, n->started), "UpstreamThroughputBps", up,
                     "DownstreamThroughputBps", down, "ThroughputBps", up + down, "TimeElpased",
                     (json_int_t)elapsed_ms);
}

static json_t *iteration_json(const struct plan_iteration *it, const struct metrics_series *s,
                              int64_t elapsed_ms)
{
    return json_pack("{s:o s:o s:o s:o}", "Throughput", throughput_json(it, s, elapsed_ms),
                     "Duration", duration_json(s), "ResponseCode", response_code_json(s),
                     "DataTransmission", data_json(s, elapsed_ms));
}

char *metrics_tree_format(const struct plan *plan, const struct metrics_series *totals,
                          const int64_t *elapsed_ms, size_t *ret_len)
{
    json_t *tree = json_object();
    uint32_t id = 0;

    for (size_t i = 0; i < plan->n_rounds; i++) {
        json_t *round = json_object();
        for (size_t k = 0; k < plan->rounds[i].n_iterations; k++, id++)
            json_object_set_new(
                round, plan->rounds[i].iterations[k].name,
                iteration_json(&plan->rounds[i].iterations[k], &totals[id], elapsed_ms[id]));
        json_object_set_new(tree, plan->rounds[i].name, round);
    }
    // 15 digits: 0.1 stays 0.1.
    char *text = json_dumps(tree, JSON_COMPACT | JSON_REAL_PRECISION(15));
    json_decref(tree);
    *ret_len = strlen(text);
    return text;
}
