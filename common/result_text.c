#include "common/result.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARGIN          2
#define LABEL           13 // "connections" and two blanks
#define WORKERS_MAX     16 // rows; of more, those that are done are left out first
#define REASONS_MAX     8
#define NODE_WIDTH      20
#define HOSTS_MAX       16 // rows
#define HOST_WIDTH      26
#define ITERATIONS_MAX  16 // rows
#define ITERATION_WIDTH 28

#define BOLD   "1"
#define DIM    "2"
#define RED    "31"
#define YELLOW "33"

struct pen {
    struct buf out;
    int width, column;
    bool colour;
};

// A byte that is not the continuation of a UTF-8 character.
static bool is_column(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

static int columns_of(const char *text)
{
    int n = 0;

    for (; *text != '\0'; text++)
        n += is_column(*text);
    return n;
}

// What does not fit the line ends in "...", and nothing comes after it.
static void cut(struct pen *p, char *text)
{
    int room = p->width - p->column, keep = room > 3 ? room - 3 : 0;

    if (columns_of(text) <= room)
        return;
    char *at = text;
    for (int n = 0; n < keep || !is_column(*at); at++)
        n += is_column(*at);
    snprintf(at, strlen(at) + 1, "%.*s", room, "...");
}

static void put(struct pen *p, const char *sgr, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void put(struct pen *p, const char *sgr, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    char *raw = xvasprintf(fmt, ap), *text = str_clean(raw, SIZE_MAX);
    va_end(ap);
    cut(p, text);
    if (p->colour && sgr != NULL && text[0] != '\0')
        buf_printf(&p->out, "\033[%sm%s\033[0m", sgr, text);
    else
        buf_puts(&p->out, text);
    p->column += columns_of(text);
    free(text);
    free(raw);
}

static void end_line(struct pen *p)
{
    while (p->out.len > 0 && p->out.data[p->out.len - 1] == ' ')
        p->out.len--;
    buf_puts(&p->out, "\n");
    p->column = 0;
}

static void label(struct pen *p, const char *name)
{
    put(p, NULL, "%*s%-*s", MARGIN, "", LABEL, name);
}

// Goes on in the next line, below what a label stands before, when n columns do not fit.
static void make_room(struct pen *p, int n)
{
    if (p->column + n <= p->width)
        return;
    end_line(p);
    label(p, "");
}

// Word by word, in as many lines as it takes.
static void put_wrapped(struct pen *p, const char *text)
{
    char *copy = xstrdup(text), *rest = copy, *word;

    for (bool first = true; (word = strsep(&rest, " ")) != NULL; first = false) {
        bool goes_on = !first && p->column + 1 + columns_of(word) <= p->width;
        if (!first && !goes_on)
            make_room(p, p->width);
        put(p, NULL, "%s%s", goes_on ? " " : "", word);
    }
    free(copy);
}

static double number_at(const json_t *json, const char *name)
{
    return json_number_value(json_object_get(json, name));
}

// A whole number of bytes or us; what a double holds exactly.
static uint64_t count_at(const json_t *json, const char *name)
{
    double v = number_at(json, name) + 0.5;

    return v < 1 ? 0 : v > 9e15 ? (uint64_t)9e15 : (uint64_t)v;
}

static const char *text_of(const json_t *json)
{
    return json_is_string(json) ? json_string_value(json) : "";
}

static const char *text_at(const json_t *json, const char *name)
{
    return text_of(json_object_get(json, name));
}

struct number {
    char text[40];
};

// 1234567 as "1,234,567".
static struct number grouped(double value)
{
    struct number digits, out = {{0}};
    size_t n = (size_t)snprintf(digits.text, sizeof digits.text, "%.0f", value), o = 0;

    for (size_t i = 0; i < n && i < 27; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            out.text[o++] = ',';
        out.text[o++] = digits.text[i];
    }
    return out;
}

static struct number rate_of(double value)
{
    struct number out;

    if (value >= 1000)
        return grouped(value);
    snprintf(out.text, sizeof out.text, value < 100 ? "%.2f" : "%.1f", value);
    return out;
}

static double sum_of(const json_t *column)
{
    double sum = 0;
    const json_t *value;
    size_t i;

    json_array_foreach(column, i, value) sum += json_number_value(value);
    return sum;
}

static void write_requests(struct pen *p, const json_t *totals, double seconds, double paused_us)
{
    static const struct {
        const char *name, *sgr;
    } others[] = {{"failed", RED}, {"aborted", YELLOW}, {"dropped", YELLOW}, {"skipped", YELLOW}};
    double errors = number_at(totals, "errors"), ratio = number_at(totals, "errorRatio");

    label(p, "requests");
    put(p, NULL, "%s sent, %s completed", grouped(number_at(totals, "requests")).text,
        grouped(number_at(totals, "completed")).text);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        double n = number_at(totals, others[i].name);
        if (n == 0)
            continue;
        put(p, NULL, ", ");
        put(p, others[i].sgr, "%s %s", grouped(n).text, others[i].name);
    }
    end_line(p);
    if (number_at(totals, "dropped") > 0) {
        label(p, "");
        put_wrapped(p, "dropped: due but never sent, as no more requests may be in flight; "
                       "the target met less load than was asked for");
        end_line(p);
    }
    if (paused_us > 0) {
        char text[120];
        snprintf(text, sizeof text,
                 "the watchdog held requests back for %.2f s: what was due then "
                 "was sent late, or dropped",
                 paused_us / 1e6);
        label(p, "");
        put_wrapped(p, text);
        end_line(p);
    }
    label(p, "rate");
    put(p, NULL, "%s/s completed in %.2f s", rate_of(number_at(totals, "ratePerSecond")).text,
        seconds);
    end_line(p);
    label(p, "errors");
    if (errors > 0)
        put(p, RED, "%s (%.2f %%)", grouped(errors).text, 100 * ratio);
    else
        put(p, NULL, "none");
    end_line(p);
}

static void write_status(struct pen *p, const json_t *totals)
{
    json_t *codes = json_object_get(totals, "statusCodes");
    const char *code;
    const json_t *count;

    if (json_object_size(codes) == 0)
        return;
    label(p, "status");
    json_object_foreach(codes, code, count)
    {
        struct number n = grouped(json_number_value(count));
        make_room(p, 9 + columns_of(n.text));
        put(p, NULL, "%s", p->column > MARGIN + LABEL ? "    " : "");
        put(p, code[0] == '5' ? RED : code[0] == '4' ? YELLOW : NULL, "%s: %s", code, n.text);
    }
    end_line(p);
}

static void write_errors(struct pen *p, const json_t *totals)
{
    size_t i;
    const json_t *e;

    json_array_foreach(json_object_get(totals, "errorKinds"), i, e)
    {
        double first = number_at(e, "firstSecond"), last = number_at(e, "lastSecond");
        label(p, i == 0 ? "failed by" : "");
        put(p, RED, "%-18s %10s", text_at(e, "kind"), grouped(number_at(e, "count")).text);
        if (first == last)
            put(p, NULL, "   second %.0f", first);
        else
            put(p, NULL, "   seconds %.0f to %.0f", first, last);
        end_line(p);
        if (text_at(e, "example")[0] == '\0')
            continue;
        label(p, "");
        put(p, DIM, "  %s", text_at(e, "example"));
        end_line(p);
    }
}

static void write_latency_row(struct pen *p, const json_t *latencies, enum metrics_latency kind,
                              const char *const *members, size_t n_members)
{
    const json_t *l = json_object_get(latencies, metrics_latency_name[kind]);
    bool is_phase = kind >= METRICS_DNS, is_part = kind > METRICS_SERVER;
    int indent = is_part ? 4 : is_phase ? 2 : 0;

    if (l == NULL)
        return;
    put(p, is_phase ? DIM : NULL, "%*s%-*s", MARGIN + indent, "", 10 - indent,
        metrics_latency_name[kind] + (is_part ? strlen("server-") : 0));
    for (size_t i = 0; i < n_members; i++) {
        char text[32];
        str_us(count_at(l, members[i]), text, sizeof text);
        put(p, is_phase ? DIM : NULL, "%8s", text);
    }
    end_line(p);
}

// How to read the rows above.
static void write_latency_meaning(struct pen *p, const json_t *latencies)
{
    const json_t *response = json_object_get(latencies, "response");
    double n = number_at(response, "count"),
           all = number_at(json_object_get(latencies, "service"), "count");

    if (response == NULL) {
        put(p, DIM, "%*sno schedule: service latency only, from sending to the last byte", MARGIN,
            "");
        end_line(p);
        return;
    }
    put(p, DIM, "%*sresponse: from when it was due   service: from sending   lag: between", MARGIN,
        "");
    end_line(p);
    if (n < all) {
        put(p, DIM, "%*sof %s requests %s were on a schedule", MARGIN, "", grouped(all).text,
            grouped(n).text);
        end_line(p);
    }
}

// All kinds, or none of the phases. Response comes first: it is what a user of the target meets.
static void write_latency(struct pen *p, const json_t *totals, bool with_phases)
{
    static const char *const wide[] = {"min", "mean", "p50", "p90", "p95", "p99", "p999", "max"};
    static const char *const narrow[] = {"p50", "p90", "p99", "max"};
    static const enum metrics_latency first[] = {METRICS_RESPONSE, METRICS_SERVICE, METRICS_LAG};
    const json_t *latencies = json_object_get(totals, "latencyUs");
    bool fits = p->width >= MARGIN + 10 + 8 * 8;
    const char *const *members = fits ? wide : narrow;
    size_t n = fits ? sizeof wide / sizeof *wide : sizeof narrow / sizeof *narrow;

    end_line(p);
    if (json_object_size(latencies) == 0)
        return;
    put(p, BOLD, "%*s%-10s", MARGIN, "", "latency");
    for (size_t i = 0; i < n; i++)
        put(p, BOLD, "%8s", strcmp(members[i], "p999") == 0 ? "p99.9" : members[i]);
    end_line(p);
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        write_latency_row(p, latencies, first[i], members, n);
    for (int kind = METRICS_DNS; with_phases && kind < METRICS_LATENCY__COUNT; kind++)
        write_latency_row(p, latencies, kind, members, n);
    if (with_phases)
        write_latency_meaning(p, latencies);
    end_line(p);
}

static void write_transfer(struct pen *p, const json_t *totals)
{
    const json_t *bytes = json_object_get(totals, "bytes");
    const json_t *connections = json_object_get(totals, "connections");
    char all[32], body[32];

    label(p, "bytes");
    str_bytes(count_at(bytes, "sent"), all, sizeof all);
    str_bytes(count_at(bytes, "bodySent"), body, sizeof body);
    put(p, NULL, "%s sent (bodies %s), ", all, body);
    str_bytes(count_at(bytes, "received"), all, sizeof all);
    str_bytes(count_at(bytes, "bodyReceived"), body, sizeof body);
    put(p, NULL, "%s received (bodies %s)", all, body);
    end_line(p);
    label(p, "connections");
    put(p, NULL, "%s opened, reused for %s requests",
        grouped(number_at(connections, "opened")).text,
        grouped(number_at(connections, "reused")).text);
    end_line(p);
}

// What the numbers above are worth.
static void write_generator(struct pen *p, const json_t *generator, bool is_cluster)
{
    const char *state = text_at(generator, "state"), *node = text_at(generator, "node");
    bool is_limited = strcmp(state, generator_state_name[GENERATOR_LIMITED]) == 0;

    if (generator == NULL || strcmp(state, generator_state_name[GENERATOR_UNDEFINED]) == 0)
        return;
    label(p, "generator");
    if (strcmp(state, generator_state_name[GENERATOR_CLEAN]) == 0) {
        put(p, NULL, "clean");
        end_line(p);
        return;
    }
    put(p, is_limited ? RED : YELLOW, "%s", is_limited ? "LIMITED" : "degraded");
    put(p, NULL, " by %s%s%s", text_at(generator, "limit"),
        is_cluster && node[0] != '\0' ? " on " : "", is_cluster ? node : "");
    end_line(p);
    label(p, "");
    put_wrapped(p, text_at(generator, "text"));
    end_line(p);
    if (is_limited) {
        label(p, "");
        put_wrapped(p, "the target may well do better than these numbers");
        end_line(p);
    }
}

static void write_totals(struct pen *p, const json_t *result, bool is_cluster)
{
    const json_t *totals = json_object_get(result, "totals");

    write_requests(p, totals, number_at(json_object_get(result, "run"), "durationSeconds"),
                   sum_of(json_object_get(json_object_get(result, "timeline"), "pausedUs")));
    write_status(p, totals);
    write_errors(p, totals);
    write_latency(p, totals, is_cluster);
    write_transfer(p, totals);
    write_generator(p, json_object_get(result, "generator"), is_cluster);
}

// A service latency of a row; "-" where nothing completed.
static struct number service_of(const json_t *row, const char *member)
{
    const json_t *service = json_object_get(json_object_get(row, "latencyUs"), "service");
    struct number out = {"-"};

    if (service != NULL)
        str_us(count_at(service, member), out.text, sizeof out.text);
    return out;
}

static void write_host(struct pen *p, const json_t *h, int host_width)
{
    char *host = str_clean(text_at(h, "host"), HOST_WIDTH);
    double errors = number_at(h, "errors");

    put(p, NULL, "%*s%-*s%12s", MARGIN, "", host_width, host,
        grouped(number_at(h, "requests")).text);
    put(p, errors > 0 ? RED : NULL, "%10s", grouped(errors).text);
    put(p, NULL, "%11s/s%8s%8s", rate_of(number_at(h, "ratePerSecond")).text,
        service_of(h, "p50").text, service_of(h, "p99").text);
    end_line(p);
    free(host);
}

// Columns of what the members of a list are called, or of the title above them; at most `most`.
static int name_width(const json_t *list, const char *member, const char *title, int most)
{
    int width = (int)strlen(title);
    const json_t *element;
    size_t i;

    json_array_foreach(list, i, element)
    {
        int columns = columns_of(text_at(element, member));
        width = columns > width ? columns : width;
    }
    return width > most ? most : width;
}

static const char *colour_of(const char *status)
{
    static const struct {
        enum judge_status status;
        const char *sgr;
    } colours[] = {{JUDGE_FAILED, RED},
                   {JUDGE_TERMINATED, RED},
                   {JUDGE_SKIPPED, YELLOW},
                   {JUDGE_NOT_STARTED, YELLOW},
                   {JUDGE_CANCELLED, YELLOW}};

    for (size_t i = 0; i < sizeof colours / sizeof *colours; i++)
        if (strcmp(judge_status_name[colours[i].status], status) == 0)
            return colours[i].sgr;
    return NULL;
}

static void write_iteration(struct pen *p, const json_t *s, int width)
{
    char *name = xasprintf("%s/%s", text_at(s, "round"), text_at(s, "iteration"));
    char *clean = str_clean(name, (size_t)width);
    double errors = number_at(s, "errors");

    put(p, NULL, "%*s%-*s  ", MARGIN, "", width + (int)strlen(clean) - columns_of(clean), clean);
    put(p, colour_of(text_at(s, "status")), "%-11s",
        text_at(s, "status")[0] != '\0' ? text_at(s, "status") : "-");
    put(p, NULL, "%12s", grouped(number_at(s, "requests")).text);
    put(p, errors > 0 ? RED : NULL, "%10s", grouped(errors).text);
    put(p, NULL, "%8s%8s", service_of(s, "p50").text, service_of(s, "p99").text);
    end_line(p);
    free(clean);
    free(name);
}

static int iteration_width(const json_t *series)
{
    int width = (int)strlen("iteration");
    const json_t *s;
    size_t i;

    json_array_foreach(series, i, s)
    {
        int columns = columns_of(text_at(s, "round")) + 1 + columns_of(text_at(s, "iteration"));
        width = columns > width ? columns : width;
    }
    return width > ITERATION_WIDTH ? ITERATION_WIDTH : width;
}

// Where there are several, in the order of the plan; of too many, those that were well are left out
// first.
static void write_iterations(struct pen *p, const json_t *series)
{
    size_t i, n = json_array_size(series), n_rows = 0;
    int width = iteration_width(series);
    const json_t *s;

    if (n < 2)
        return;
    end_line(p);
    put(p, BOLD, "%*s%-*s  %-11s%12s%10s%8s%8s", MARGIN, "", width, "iteration", "status",
        "requests", "errors", "p50", "p99");
    end_line(p);
    json_array_foreach(series, i, s)
    {
        bool is_well = colour_of(text_at(s, "status")) == NULL;
        if (n_rows == ITERATIONS_MAX || (n > ITERATIONS_MAX && is_well))
            continue;
        write_iteration(p, s, width);
        n_rows++;
    }
    if (n_rows < n) {
        put(p, DIM, n_rows == 0 ? "%*sall %zu well" : "%*sand %zu more", MARGIN, "", n - n_rows);
        end_line(p);
    }
}

// Where there are several: one says what the totals say.
static void write_hosts(struct pen *p, const json_t *hosts)
{
    size_t i, n = json_array_size(hosts);
    int host_width = name_width(hosts, "host", "host", HOST_WIDTH);

    if (n < 2)
        return;
    end_line(p);
    put(p, BOLD, "%*s%-*s%12s%10s%13s%8s%8s", MARGIN, "", host_width, "host", "requests", "errors",
        "completed", "p50", "p99");
    end_line(p);
    for (i = 0; i < n && i < HOSTS_MAX; i++)
        write_host(p, json_array_get(hosts, i), host_width);
    if (n > HOSTS_MAX) {
        put(p, DIM, "%*sand %zu more", MARGIN, "", n - HOSTS_MAX);
        end_line(p);
    }
}

static bool is_in_state(const json_t *worker, const char *state)
{
    return strcmp(text_at(worker, "state"), state) == 0;
}

// What is special about a worker, or an empty text; the caller frees.
static char *remark_of(const json_t *w)
{
    const json_t *last = json_object_get(w, "lastSecond");

    if (is_in_state(w, "lost"))
        return json_is_integer(last)
                   ? xasprintf("data to second %" JSON_INTEGER_FORMAT, json_integer_value(last))
                   : xstrdup("no data");
    if (number_at(w, "joinedAfterSeconds") > 0)
        return xasprintf("joined +%.1f s", number_at(w, "joinedAfterSeconds"));
    return xstrdup("");
}

static void write_worker(struct pen *p, const json_t *w, int node_width)
{
    char *node = str_clean(text_at(w, "node"), NODE_WIDTH), *remark = remark_of(w);
    double errors = number_at(w, "errors");

    put(p, NULL, "%*s%-*s  ", MARGIN, "", node_width, node);
    put(p, is_in_state(w, "lost") ? RED : NULL, "%-8s", text_at(w, "state"));
    put(p, NULL, "%12s", grouped(number_at(w, "requests")).text);
    put(p, errors > 0 ? RED : NULL, "%10s", grouped(errors).text);
    if (json_is_number(json_object_get(w, "startSkewMs")))
        put(p, NULL, "   %+.2f +- %.2f ms", number_at(w, "startSkewMs"),
            number_at(w, "startErrorMs"));
    else
        put(p, NULL, "   -");
    if (remark[0] != '\0') {
        make_room(p, 3 + columns_of(remark));
        put(p, is_in_state(w, "lost") ? RED : NULL, "   %s", remark);
    }
    end_line(p);
    free(node);
    free(remark);
}

static void write_workers(struct pen *p, const json_t *workers)
{
    size_t i, n = json_array_size(workers), n_rows = 0;
    const json_t *w;
    int node_width = name_width(workers, "node", "worker", NODE_WIDTH);

    if (n == 0)
        return;
    end_line(p);
    put(p, BOLD, "%*s%-*s  %-8s%12s%10s   %s", MARGIN, "", node_width, "worker", "state",
        "requests", "errors", "start skew");
    end_line(p);
    json_array_foreach(workers, i, w)
    {
        if (n_rows == WORKERS_MAX || (n > WORKERS_MAX && is_in_state(w, "done")))
            continue;
        write_worker(p, w, node_width);
        n_rows++;
    }
    if (n_rows < n) {
        put(p, DIM, n_rows == 0 ? "%*sall %zu done" : "%*sand %zu more", MARGIN, "", n - n_rows);
        end_line(p);
    }
}

static void write_notes(struct pen *p, const json_t *result)
{
    const json_t *late = json_object_get(result, "late"), *flag, *outage;
    size_t i;

    if (number_at(late, "windows") > 0) {
        label(p, "late");
        put(p, YELLOW, "%s requests came after the end and are not counted",
            grouped(number_at(late, "requests")).text);
        end_line(p);
    }
    json_array_foreach(json_object_get(result, "outages"), i, outage)
    {
        label(p, "outage");
        put(p, YELLOW, "the master was away for %.1f s from second %.1f on",
            json_number_value(json_object_get(outage, "seconds")),
            json_number_value(json_object_get(outage, "second")));
        end_line(p);
    }
    json_array_foreach(json_object_get(json_object_get(result, "run"), "flags"), i, flag)
    {
        if (strcmp(text_of(flag), "not-durable") != 0)
            continue;
        label(p, "not durable");
        put(p, YELLOW, "the master could not store this run");
        end_line(p);
    }
}

static void write_verdict(struct pen *p, const json_t *result)
{
    static const struct {
        const char *status, *word, *sgr;
    } words[] = {
        {"passed", "PASSED", "1;32"},
        {"failed", "FAILED", "1;31"},
        {"degraded", "DEGRADED", "1;31"},
        {"cancelled", "CANCELLED", "1;33"},
        {"generator-limited", "LIMITED", "1;31"},
    };
    const json_t *verdict = json_object_get(result, "verdict"), *reason;
    size_t i, n_words = sizeof words / sizeof *words, w = 0;

    end_line(p);
    while (w < n_words && strcmp(words[w].status, text_at(verdict, "status")) != 0)
        w++;
    put(p, w < n_words ? words[w].sgr : BOLD, "%*s%-*s", MARGIN, "", LABEL,
        w < n_words ? words[w].word : "RUNNING");
    if (w < n_words)
        put(p, NULL, "exit code %.0f", number_at(verdict, "exitCode"));
    end_line(p);
    json_array_foreach(json_object_get(verdict, "reasons"), i, reason)
    {
        label(p, "");
        if (i == REASONS_MAX) {
            put(p, NULL, "and %zu more",
                json_array_size(json_object_get(verdict, "reasons")) - REASONS_MAX);
            end_line(p);
            break;
        }
        put_wrapped(p, text_of(reason));
        end_line(p);
    }
}

static size_t count_loaders(const json_t *workers)
{
    size_t i, n = 0;
    const json_t *w;

    json_array_foreach(workers, i, w) n += !is_in_state(w, "observer");
    return n;
}

char *result_format(const json_t *result, const json_t *node, int width, bool colour)
{
    struct pen p = {.width = width > 0 ? width : 80, .colour = colour};
    const json_t *workers = json_object_get(result, "workers"),
                 *run = json_object_get(result, "run");
    size_t n = count_loaders(workers);

    put(&p, BOLD, "%s", text_at(run, "plan"));
    put(&p, NULL, "   %zu worker%s   run %.8s", n, n == 1 ? "" : "s", text_at(run, "id"));
    end_line(&p);
    end_line(&p);
    write_totals(&p, result, true);
    write_iterations(&p, json_object_get(result, "series"));
    write_hosts(&p, json_object_get(result, "hosts"));
    write_notes(&p, result);
    write_workers(&p, workers);
    if (node != NULL && n > 1) {
        end_line(&p);
        put(&p, BOLD, "this node");
        end_line(&p);
        end_line(&p);
        write_totals(&p, node, false);
    }
    write_verdict(&p, result);
    return buf_take(&p.out);
}
