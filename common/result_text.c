#include "common/result.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Reads a member path such as {"totals", "requests"} of the document; 0 where there is none.
static double number_at(const json_t *json, const char *a, const char *b)
{
    const json_t *v = json_object_get(json, a);

    if (b != NULL)
        v = json_object_get(v, b);
    return json_is_number(v) ? json_number_value(v) : 0;
}

static const char *text_at(const json_t *json, const char *a, const char *b)
{
    const json_t *v = json_object_get(json, a);

    if (b != NULL)
        v = json_object_get(v, b);
    return json_is_string(v) ? json_string_value(v) : "";
}

// 1234567 as "1,234,567".
static const char *grouped(double value, char *out, size_t size)
{
    char digits[32];
    size_t n = (size_t)snprintf(digits, sizeof digits, "%.0f", value), o = 0;

    for (size_t i = 0; i < n && o + 2 < size; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            out[o++] = ',';
        out[o++] = digits[i];
    }
    out[o] = '\0';
    return out;
}

struct pen {
    struct buf out;
    int width;
    bool colour;
};

static void label(struct pen *p, const char *name)
{
    buf_printf(&p->out, "  %-12s", name);
}

static void coloured(struct pen *p, const char *sgr, const char *text)
{
    if (p->colour)
        buf_printf(&p->out, "\033[%sm%s\033[0m", sgr, text);
    else
        buf_puts(&p->out, text);
}

static void write_requests(struct pen *p, const json_t *totals)
{
    char a[40], b[40];
    double errors = number_at(totals, "errors", NULL);

    label(p, "requests");
    buf_printf(&p->out, "%s sent, %s completed",
               grouped(number_at(totals, "requests", NULL), a, sizeof a),
               grouped(number_at(totals, "completed", NULL), b, sizeof b));
    if (number_at(totals, "failed", NULL) > 0)
        buf_printf(&p->out, ", %s failed", grouped(number_at(totals, "failed", NULL), a, sizeof a));
    if (number_at(totals, "aborted", NULL) > 0)
        buf_printf(&p->out, ", %s aborted",
                   grouped(number_at(totals, "aborted", NULL), a, sizeof a));
    double rate = number_at(totals, "ratePerSecond", NULL);
    buf_printf(&p->out, "\n");
    label(p, "rate");
    if (rate < 100)
        buf_printf(&p->out, "%.2f/s completed\n", rate);
    else
        buf_printf(&p->out, "%s/s completed\n", grouped(rate, a, sizeof a));
    label(p, "errors");
    snprintf(b, sizeof b, "%s (%.2f %%)", grouped(errors, a, sizeof a),
             100 * number_at(totals, "errorRatio", NULL));
    coloured(p, errors > 0 ? "31" : "0", errors > 0 ? b : "none");
    buf_puts(&p->out, "\n");
}

static void write_status(struct pen *p, const json_t *totals)
{
    const char *code;
    const json_t *count;
    char a[40];
    bool first = true;

    json_object_foreach((json_t *)json_object_get(totals, "statusCodes"), code, count)
    {
        if (first)
            label(p, "status");
        buf_printf(&p->out, "%s%s: ", first ? "" : "   ", code);
        coloured(p, code[0] >= '4' ? "31" : "0", grouped(json_number_value(count), a, sizeof a));
        first = false;
    }
    if (!first)
        buf_puts(&p->out, "\n");
}

static void write_errors(struct pen *p, const json_t *totals)
{
    size_t i;
    const json_t *e;
    char a[40];

    json_array_foreach(json_object_get(totals, "errorKinds"), i, e)
    {
        label(p, i == 0 ? "failed by" : "");
        buf_printf(&p->out, "%-18s %12s   second %.0f to %.0f\n", text_at(e, "kind", NULL),
                   grouped(number_at(e, "count", NULL), a, sizeof a),
                   number_at(e, "firstSecond", NULL), number_at(e, "lastSecond", NULL));
        if (text_at(e, "example", NULL)[0] != '\0') {
            label(p, "");
            buf_printf(&p->out, "  e.g. %.*s\n", p->width > 30 ? p->width - 21 : 30,
                       text_at(e, "example", NULL));
        }
    }
}

static void write_latency(struct pen *p, const json_t *totals)
{
    static const char *const column[] = {"min", "mean", "p50", "p90", "p95", "p99", "p999", "max"};
    static const char *const title[] = {"min", "mean", "p50", "p90", "p95", "p99", "p99.9", "max"};
    const json_t *all = json_object_get(totals, "latencyUs");

    if (json_object_size(all) == 0)
        return;
    buf_printf(&p->out, "\n  %-9s", "latency");
    for (size_t i = 0; i < sizeof title / sizeof *title; i++)
        buf_printf(&p->out, "%8s", title[i]);
    buf_puts(&p->out, "\n");
    for (int kind = 1; kind < METRICS_LATENCY__COUNT; kind++) {
        const json_t *l = json_object_get(all, metrics_latency_name[kind]);
        if (l == NULL)
            continue;
        buf_printf(&p->out, "  %-9s", metrics_latency_name[kind]);
        for (size_t i = 0; i < sizeof column / sizeof *column; i++) {
            char text[32];
            str_us((uint64_t)(number_at(l, column[i], NULL) + 0.5), text, sizeof text);
            buf_printf(&p->out, "%8s", text);
        }
        buf_puts(&p->out, "\n");
    }
    if (json_object_get(all, "response") == NULL)
        buf_puts(&p->out,
                 "  service: sent to last byte; no schedule, so there is no response time\n");
}

static void write_bytes(struct pen *p, const json_t *totals)
{
    const json_t *b = json_object_get(totals, "bytes");
    char sent[32], received[32], body[32], n[40], m[40];

    buf_puts(&p->out, "\n");
    label(p, "bytes");
    buf_printf(&p->out, "%s sent, %s received (%s of it bodies)\n",
               str_bytes((uint64_t)number_at(b, "sent", NULL), sent, sizeof sent),
               str_bytes((uint64_t)number_at(b, "received", NULL), received, sizeof received),
               str_bytes((uint64_t)number_at(b, "bodyReceived", NULL), body, sizeof body));
    label(p, "connections");
    buf_printf(&p->out, "%s opened, reused for %s requests\n",
               grouped(number_at(totals, "connections", "opened"), n, sizeof n),
               grouped(number_at(totals, "connections", "reused"), m, sizeof m));
}

static void write_totals(struct pen *p, const json_t *result)
{
    const json_t *totals = json_object_get(result, "totals");

    write_requests(p, totals);
    write_status(p, totals);
    write_errors(p, totals);
    write_latency(p, totals);
    write_bytes(p, totals);
    label(p, "duration");
    buf_printf(&p->out, "%.2f s\n", number_at(result, "run", "durationSeconds"));
}

static void write_worker(struct pen *p, const json_t *w)
{
    char n[40];
    bool lost = strcmp(text_at(w, "state", NULL), "lost") == 0;

    buf_printf(&p->out, "  %-18s ", text_at(w, "node", NULL));
    coloured(p, lost ? "31" : "0", text_at(w, "state", NULL));
    buf_printf(&p->out, "%*s %14s", (int)(10 - strlen(text_at(w, "state", NULL))), "",
               grouped(number_at(w, "requests", NULL), n, sizeof n));
    if (json_is_number(json_object_get(w, "startSkewMs")))
        buf_printf(&p->out, "   %+.2f +- %.2f ms", number_at(w, "startSkewMs", NULL),
                   number_at(w, "startErrorMs", NULL));
    if (number_at(w, "joinedAfterSeconds", NULL) > 0)
        buf_printf(&p->out, "   joined +%.1f s", number_at(w, "joinedAfterSeconds", NULL));
    if (lost && json_is_integer(json_object_get(w, "lastSecond")))
        buf_printf(&p->out, "   data to second %.0f", number_at(w, "lastSecond", NULL));
    else if (lost)
        buf_puts(&p->out, "   no data");
    buf_puts(&p->out, "\n");
}

static void write_workers(struct pen *p, const json_t *result)
{
    const json_t *workers = json_object_get(result, "workers"), *w;
    size_t i;

    if (json_array_size(workers) == 0)
        return;
    buf_printf(&p->out, "\n  %-18s %-10s %14s   %s\n", "worker", "state", "requests", "start - T0");
    json_array_foreach(workers, i, w) write_worker(p, w);
}

static void write_verdict(struct pen *p, const json_t *result)
{
    const json_t *verdict = json_object_get(result, "verdict"), *reason;
    const char *status = text_at(verdict, "status", NULL);
    char line[96];
    size_t i;

    snprintf(line, sizeof line, "%s (exit code %.0f)", status,
             number_at(verdict, "exitCode", NULL));
    label(p, "verdict");
    coloured(p, strcmp(status, "passed") == 0 ? "1;32" : "1;31", line);
    buf_puts(&p->out, "\n");
    json_array_foreach(json_object_get(verdict, "reasons"), i, reason)
    {
        label(p, "");
        buf_printf(&p->out, "%s\n", json_string_value(reason));
    }
}

static void write_heading(struct pen *p, const json_t *result, const char *scope)
{
    char line[160];

    snprintf(line, sizeof line, "%s", text_at(result, "run", "plan"));
    coloured(p, "1", line);
    buf_printf(&p->out, "  %s  run %.8s\n\n", scope, text_at(result, "run", "id"));
}

char *result_format(const json_t *result, const json_t *node, int width, bool colour)
{
    struct pen p = {.width = width > 0 ? width : 80, .colour = colour};
    size_t n_workers = json_array_size(json_object_get(result, "workers"));
    char scope[64];

    snprintf(scope, sizeof scope, n_workers == 1 ? "one worker" : "cluster, %zu workers",
             n_workers);
    write_heading(&p, result, scope);
    write_totals(&p, result);
    write_workers(&p, result);
    if (node != NULL && n_workers > 1) {
        buf_puts(&p.out, "\n");
        coloured(&p, "1", "this node");
        buf_puts(&p.out, "\n\n");
        write_totals(&p, node);
    }
    buf_puts(&p.out, "\n");
    write_verdict(&p, result);
    return buf_take(&p.out);
}
