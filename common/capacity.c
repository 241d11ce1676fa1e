#include "common/capacity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/str.h"

// Listening, logging, timers, the way to the worker.
#define DESCRIPTORS_OWN 32
#define PORTS_DEFAULT   28232 // of Linux: 32768 to 60999
// Longer than any plan's clients keep arriving, and a thousand times that fits 64 bits.
#define FOREVER_MS 1000000000000000

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

// Clients that arrive before an instant, in ms from the begin of the round.
static uint64_t arrived_before(const struct plan_round *round, int64_t at_ms)
{
    int64_t stage_ms = 0;
    uint64_t n = 0;

    for (size_t i = 0; i < round->n_stages; i++) {
        const struct plan_stage *stage = &round->stages[i];
        stage_ms += (int64_t)stage->startup_delay_ms;
        if (stage->n_clients == 0 || stage_ms >= at_ms)
            continue;
        n += stage->arrival_delay_ms == 0
                 ? stage->n_clients
                 : least(stage->n_clients,
                         (uint64_t)(at_ms - stage_ms - 1) / stage->arrival_delay_ms + 1);
        stage_ms += (int64_t)((stage->n_clients - 1) * stage->arrival_delay_ms);
    }
    return n;
}

static uint64_t arrived_in(const struct plan_round *round, int64_t from_ms, int64_t life_ms)
{
    return arrived_before(round, from_ms + life_ms) - arrived_before(round, from_ms);
}

// Most clients at once, when each stays for life_ms. As a window of that length moves on, its count
// only grows or only falls until one of its ends meets the first or last client of a stage, so it
// is largest at one of those instants.
static uint64_t most_at_once(const struct plan_round *round, uint64_t life_ms)
{
    int64_t life = (int64_t)least(life_ms, FOREVER_MS), first_ms = 0;
    uint64_t n = 0;

    for (size_t i = 0; life > 0 && i < round->n_stages; i++) {
        const struct plan_stage *stage = &round->stages[i];
        first_ms += (int64_t)stage->startup_delay_ms;
        if (stage->n_clients == 0)
            continue;
        int64_t last_ms = first_ms + (int64_t)((stage->n_clients - 1) * stage->arrival_delay_ms);
        n = most(n, arrived_in(round, first_ms, life));
        n = most(n, arrived_in(round, last_ms, life));
        n = most(n, arrived_in(round, first_ms - life + 1, life));
        n = most(n, arrived_in(round, last_ms - life + 1, life));
        first_ms = last_ms;
    }
    return n;
}

static bool may_http2(const struct plan_iteration *it)
{
    return plan_may_http2(it->version, it->url.tls, it->h2c);
}

static bool keeps_connection(const struct plan_iteration *it)
{
    return plan_keeps_connection(it->version, it->headers, it->n_headers);
}

static bool is_batched(const struct plan_iteration *it)
{
    return it->mode == PLAN_MODE_CB || it->mode == PLAN_MODE_CRB || it->mode == PLAN_MODE_DCB;
}

static bool is_same_server(const struct plan_iteration *a, const struct plan_iteration *b)
{
    return a->url.port == b->url.port && strcmp(a->url.host, b->url.host) == 0;
}

static uint64_t surely_lasts_ms(const struct plan_iteration *it)
{
    if (is_batched(it) && !keeps_connection(it))
        return 0;
    return it->mode == PLAN_MODE_CB ? FOREVER_MS : it->duration_s * 1000;
}

// How long a client surely has a connection to a server, from when it begins; to: an iteration with
// that server, NULL: to any. What comes after requests of unknown length is only later for it.
static uint64_t surely_busy_ms(const struct plan_round *round, const struct plan_iteration *to)
{
    const struct plan_iteration *before = NULL;
    uint64_t ms = 0;

    for (size_t i = 0; i < round->n_iterations; i++) {
        const struct plan_iteration *it = &round->iterations[i];
        bool is_there = to == NULL || is_same_server(it, to);
        if (round->is_parallel) {
            if (is_there)
                ms = most(ms, surely_lasts_ms(it));
            continue;
        }
        bool is_gap = before != NULL && it->delay_ms > 0 && !keeps_connection(before);
        if (!is_there || is_gap || (is_batched(it) && !keeps_connection(it)))
            break;
        ms += surely_lasts_ms(it) + (before != NULL ? it->delay_ms : 0);
        before = it;
    }
    return ms;
}

static uint64_t possibly_lasts_ms(const struct plan_iteration *it)
{
    uint64_t n_more;

    switch (it->mode) {
    case PLAN_MODE_R:
        return least(it->request_count, FOREVER_MS / CAPACITY_REQUEST_MS) * CAPACITY_REQUEST_MS;
    case PLAN_MODE_CRB:
        n_more = (it->request_count - 1) / it->batch_size;
        return least(n_more, FOREVER_MS / it->cool_down_ms) * it->cool_down_ms +
               CAPACITY_REQUEST_MS;
    case PLAN_MODE_CB:
        return FOREVER_MS;
    default:
        return it->duration_s * 1000 + CAPACITY_REQUEST_MS;
    }
}

static uint64_t possibly_lives_ms(const struct plan_round *round)
{
    uint64_t ms = 0;

    for (size_t i = 0; i < round->n_iterations; i++) {
        const struct plan_iteration *it = &round->iterations[i];
        uint64_t one = it->delay_ms + possibly_lasts_ms(it);
        ms = round->is_parallel ? most(ms, one) : ms + one;
    }
    return ms;
}

// Connections that a client may have to the server of an iteration.
static uint64_t possibly_opens(const struct plan_round *round, const struct plan_iteration *to)
{
    uint64_t n = 0, n_http2 = 0;

    for (size_t i = 0; i < round->n_iterations; i++) {
        const struct plan_iteration *it = &round->iterations[i];
        if (!is_same_server(it, to))
            continue;
        uint64_t one = is_batched(it) ? it->batch_size : 1;
        if (may_http2(it))
            n_http2 = 1;
        else
            n = round->is_parallel ? n + one : most(n, one);
    }
    return n + n_http2;
}

static bool is_first_of_server(const struct plan_round *round, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (is_same_server(&round->iterations[j], &round->iterations[i]))
            return false;
    return true;
}

static uint64_t bytes_of(const struct plan_iteration *it, bool as_http2)
{
    return as_http2      ? CAPACITY_HTTP2_BYTES
           : it->url.tls ? CAPACITY_TLS_BYTES
                         : CAPACITY_PLAIN_BYTES;
}

struct need {
    uint64_t n_sure; // clients at once, and connections
    uint64_t sure_bytes;
    const struct plan_iteration *server; // that surely has most clients at once
    uint64_t n_sure_of_server;
    uint64_t n_possible; // clients at once, or in an open round requests
    uint64_t n_connections, possible_bytes;
    const struct plan_iteration *possible_server; // that may have most connections
    uint64_t n_connections_of_server;
};

static struct need need_of(const struct plan_round *round)
{
    struct need need = {.server = round->iterations, .possible_server = round->iterations};
    uint64_t sure_bytes = CAPACITY_HTTP2_BYTES, possible_bytes = 0, server_ms = 0;
    uint64_t n_each = 0, n_each_of_server = 0;

    for (size_t i = 0; i < round->n_iterations; i++) {
        const struct plan_iteration *it = &round->iterations[i];
        sure_bytes = least(sure_bytes, bytes_of(it, it->h2c));
        possible_bytes = most(possible_bytes, bytes_of(it, may_http2(it)));
        if (!is_first_of_server(round, i))
            continue;
        uint64_t ms = surely_busy_ms(round, it), n = possibly_opens(round, it);
        if (ms > server_ms) {
            server_ms = ms;
            need.server = it;
        }
        if (n > n_each_of_server) {
            n_each_of_server = n;
            need.possible_server = it;
        }
        n_each += n;
    }
    if (round->is_open) {
        need.n_possible = round->n_clients;
        n_each = n_each_of_server = 1;
    } else {
        need.n_sure = most_at_once(round, surely_busy_ms(round, NULL));
        need.n_sure_of_server = most_at_once(round, server_ms);
        need.n_possible = most_at_once(round, possibly_lives_ms(round));
    }
    need.sure_bytes = need.n_sure * sure_bytes;
    need.n_connections = need.n_possible * n_each;
    need.n_connections_of_server = need.n_possible * n_each_of_server;
    need.possible_bytes = need.n_connections * possible_bytes;
    return need;
}

struct number {
    char text[32];
};

static struct number grouped(uint64_t value)
{
    struct number digits, out = {{0}};
    size_t n = (size_t)snprintf(digits.text, sizeof digits.text, "%" PRIu64, value), o = 0;

    for (size_t i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            out.text[o++] = ',';
        out.text[o++] = digits.text[i];
    }
    return out;
}

static struct number as_bytes(uint64_t value)
{
    struct number out;

    str_bytes(value, out.text, sizeof out.text);
    return out;
}

// The beginnings of what is said.
// sure: `rounds[0] "load": 30,000 clients at once need`
// may: `rounds[0] "load": 200 clients may have 2,000 connections at once`
struct subject {
    char *sure, *may;
};

static void check_descriptors(const struct need *need, const struct subject *s,
                              const struct capacity *c, struct diag *refused, struct diag *doubted)
{
    struct number have = grouped(c->descriptors);

    if (need->n_sure > c->descriptors)
        diag_add(refused, 0, 0, "%s %s descriptors, and a process may have %s here (ulimit -n)",
                 s->sure, grouped(need->n_sure).text, have.text);
    else if (need->n_connections > c->descriptors)
        diag_add(doubted, 0, 0, "%s, and a process may have %s descriptors here (ulimit -n)",
                 s->may, have.text);
}

static void check_ports(const struct need *need, const struct subject *s, const struct capacity *c,
                        struct diag *refused, struct diag *doubted)
{
    uint64_t ports = c->ports * c->n_sources;
    const struct plan_url *sure = &need->server->url, *possible = &need->possible_server->url;
    char *have =
        xasprintf("and %s source %s %s local ports (net.ipv4.ip_local_port_range)",
                  grouped(c->n_sources).text, c->n_sources == 1 ? "address has" : "addresses have",
                  grouped(ports).text);

    if (need->n_sure_of_server > ports)
        diag_add(refused, 0, 0, "%s %s local ports for %s port %d, %s", s->sure,
                 grouped(need->n_sure_of_server).text, sure->host, sure->port, have);
    else if (need->n_connections_of_server > ports)
        diag_add(doubted, 0, 0, "%s, %s of them to %s port %d, %s", s->may,
                 grouped(need->n_connections_of_server).text, possible->host, possible->port, have);
    free(have);
}

static void check_memory(const struct need *need, const struct subject *s, const struct capacity *c,
                         struct diag *refused, struct diag *doubted)
{
    struct number have = as_bytes(c->memory_bytes);

    if (c->memory_bytes == 0)
        return;
    if (need->sure_bytes > c->memory_bytes)
        diag_add(refused, 0, 0, "%s %s of memory, and %s is available here", s->sure,
                 as_bytes(need->sure_bytes).text, have.text);
    else if (need->possible_bytes > c->memory_bytes)
        diag_add(doubted, 0, 0, "%s, in %s of memory, and %s is available here", s->may,
                 as_bytes(need->possible_bytes).text, have.text);
}

int capacity_check(const struct plan *plan, const struct capacity *c, struct diag *refused,
                   struct diag *doubted)
{
    for (size_t i = 0; i < plan->n_rounds; i++) {
        const struct plan_round *round = &plan->rounds[i];
        struct need need = need_of(round);
        struct subject s = {
            xasprintf("rounds[%zu] \"%s\": %s clients at once need", i, round->name,
                      grouped(need.n_sure).text),
            xasprintf("rounds[%zu] \"%s\": %s %s may have %s connections at once", i, round->name,
                      grouped(need.n_possible).text,
                      round->is_open ? "requests in flight" : "clients",
                      grouped(need.n_connections).text),
        };
        check_descriptors(&need, &s, c, refused, doubted);
        check_ports(&need, &s, c, refused, doubted);
        check_memory(&need, &s, c, refused, doubted);
        free(s.sure);
        free(s.may);
    }
    return refused->n > 0 ? -EINVAL : 0;
}

// The number after a word that begins a line of a file; "": the file's first.
static bool read_number(const char *path, const char *word, uint64_t *ret_value)
{
    FILE *f = fopen(path, "re");
    char line[256];
    bool found = false;

    while (f != NULL && !found && fgets(line, sizeof line, f) != NULL)
        found = strncmp(line, word, strlen(word)) == 0 &&
                sscanf(line + strlen(word), "%" SCNu64, ret_value) == 1;
    if (f != NULL)
        fclose(f);
    return found;
}

static uint64_t group_number(const char *group, const char *file, const char *word, uint64_t dflt)
{
    char *path = xasprintf("/sys/fs/cgroup%s/%s", group, file);
    uint64_t value;

    if (!read_number(path, word, &value))
        value = dflt;
    free(path);
    return value;
}

// What is left to this process's control group (version 2); UINT64_MAX: it has no limit. Cached
// files count as used there, and go when memory is needed.
static uint64_t group_memory(void)
{
    FILE *f = fopen("/proc/self/cgroup", "re");
    char line[4096];
    uint64_t left = UINT64_MAX;

    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, "0::", 3) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        const char *group = line + 3;
        uint64_t limit = group_number(group, "memory.max", "", UINT64_MAX);
        uint64_t used = group_number(group, "memory.current", "", 0);
        uint64_t cached = group_number(group, "memory.stat", "inactive_file ", 0) +
                          group_number(group, "memory.stat", "active_file ", 0);
        used -= least(used, cached);
        if (limit != UINT64_MAX)
            left = limit - least(limit, used);
        break;
    }
    if (f != NULL)
        fclose(f);
    return left;
}

static uint64_t local_ports(void)
{
    FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    uint64_t first, last, n = PORTS_DEFAULT;

    if (f != NULL && fscanf(f, "%" SCNu64 "%" SCNu64, &first, &last) == 2 && first <= last &&
        last <= UINT16_MAX)
        n = last - first + 1;
    if (f != NULL)
        fclose(f);
    return n;
}

void capacity_read(struct capacity *ret_capacity, uint64_t n_sources)
{
    struct rlimit files = {0};
    uint64_t available;

    getrlimit(RLIMIT_NOFILE, &files);
    *ret_capacity = (struct capacity){
        .descriptors = files.rlim_max - least(files.rlim_max, DESCRIPTORS_OWN),
        .ports = local_ports(),
        .n_sources = n_sources > 0 ? n_sources : 1,
    };
    if (read_number("/proc/meminfo", "MemAvailable:", &available))
        ret_capacity->memory_bytes = most(1, least(available * 1024, group_memory()));
}
