#include "common/capacity.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"

#define N_OF(array) (sizeof(array) / sizeof(array)[0])
#define KIB         1024ULL
#define MIB         (1024 * KIB)

// A host with more than enough.
static const struct capacity vast = {1000000000, 1000000000, 1, UINT64_MAX};

#define PLAIN                                      \
    {                                              \
        .tls = false, .host = "a.test", .port = 80 \
    }
#define TLS                                        \
    {                                              \
        .tls = true, .host = "a.test", .port = 443 \
    }
#define OTHER                                      \
    {                                              \
        .tls = false, .host = "b.test", .port = 80 \
    }
#define D60 .mode = PLAN_MODE_D, .duration_s = 60, .version = PLAN_VERSION_1_1
#define R1  .mode = PLAN_MODE_R, .request_count = 1, .version = PLAN_VERSION_1_1
#define CB10 \
    .mode = PLAN_MODE_CB, .batch_size = 10, .cool_down_ms = 1000, .version = PLAN_VERSION_1_1
#define DCB10                                                                        \
    .mode = PLAN_MODE_DCB, .duration_s = 60, .batch_size = 10, .cool_down_ms = 1000, \
    .version = PLAN_VERSION_1_1
#define CRB10                                                                           \
    .mode = PLAN_MODE_CRB, .request_count = 25, .batch_size = 10, .cool_down_ms = 1000, \
    .version = PLAN_VERSION_1_1
#define RATE .mode = PLAN_MODE_D, .is_open = true, .rate_mhz = 1000, .duration_s = 60

struct outcome {
    char *refused, *doubted; // lines
};

static struct outcome check(const struct plan *plan, const struct capacity *c)
{
    struct diag refused = {0}, doubted = {0};
    int status = capacity_check(plan, c, &refused, &doubted);
    struct outcome out = {diag_format(&refused), diag_format(&doubted)};

    assert_int_equal(status, refused.n > 0 ? -EINVAL : 0);
    diag_done(&refused);
    diag_done(&doubted);
    return out;
}

static void says(const struct plan *plan, const struct capacity *c, const char *refused,
                 const char *doubted)
{
    struct outcome out = check(plan, c);

    assert_string_equal(out.refused, refused);
    assert_string_equal(out.doubted, doubted);
    free(out.refused);
    free(out.doubted);
}

// What a round surely and possibly needs of descriptors: the least number of them that is not
// refused, and not even doubted.
static void needs(struct plan_round *round, uint64_t sure, uint64_t possible)
{
    const struct {
        uint64_t descriptors;
        bool is_refused, is_doubted;
    } cases[] = {
        {sure - 1, true, false},
        {sure, false, sure < possible},
        {possible - 1, sure == possible && sure > 0, sure < possible},
        {possible, false, false},
    };
    struct plan plan = {.rounds = round, .n_rounds = 1};

    round->name = "r";
    for (size_t i = sure == 0; i < N_OF(cases); i++) {
        struct capacity c = vast;
        c.descriptors = cases[i].descriptors;
        struct outcome out = check(&plan, &c);
        assert_int_equal(out.refused[0] != '\0', cases[i].is_refused);
        assert_int_equal(out.doubted[0] != '\0', cases[i].is_doubted);
        free(out.refused);
        free(out.doubted);
    }
}

static struct plan_round round_of(struct plan_stage *stages, size_t n_stages,
                                  struct plan_iteration *iterations, size_t n_iterations)
{
    struct plan_round round = {.name = "r",
                               .stages = stages,
                               .n_stages = n_stages,
                               .iterations = iterations,
                               .n_iterations = n_iterations};

    for (size_t i = 0; i < n_stages; i++)
        round.n_clients += stages[i].n_clients;
    return round;
}

static void what_fits_is_not_mentioned(void **unused)
{
    struct plan_iteration it = {.url = PLAIN, D60};
    struct plan_stage stage = {PLAN_CLIENTS_MAX, 0, 0};
    struct plan_round round = round_of(&stage, 1, &it, 1);
    struct plan plan = {.rounds = &round, .n_rounds = 1}, empty = {0};

    (void)unused;
    says(&plan, &vast, "", "");
    says(&empty, &vast, "", "");
    stage.n_clients = round.n_clients = 1;
    says(&plan, &(struct capacity){1, 1, 1, KIB}, "", "");
}

static void what_does_not_fit_is_said_with_its_numbers(void **unused)
{
    struct plan_iteration it = {.url = TLS, D60};
    struct plan_stage stage = {30000, 0, 0};
    struct plan_round round = round_of(&stage, 1, &it, 1);
    struct plan plan = {.rounds = &round, .n_rounds = 1};

    (void)unused;
    round.name = "load";
    says(&plan, &(struct capacity){19968, 28232, 1, 512 * MIB},
         "rounds[0] \"load\": 30,000 clients at once need 30,000 descriptors, and a process may "
         "have "
         "19,968 here (ulimit -n)\n"
         "rounds[0] \"load\": 30,000 clients at once need 30,000 local ports for a.test port 443, "
         "and "
         "1 source address has 28,232 local ports (net.ipv4.ip_local_port_range)\n"
         "rounds[0] \"load\": 30,000 clients at once need 703 MiB of memory, and 512 MiB is "
         "available "
         "here\n",
         "");
    says(&plan, &(struct capacity){30000, 28232, 2, 0}, "", "");
    says(&plan, &(struct capacity){30000, 14999, 2, 0},
         "rounds[0] \"load\": 30,000 clients at once need 30,000 local ports for a.test port 443, "
         "and "
         "2 source addresses have 29,998 local ports (net.ipv4.ip_local_port_range)\n",
         "");
}

static void what_may_not_fit_is_said_with_its_numbers(void **unused)
{
    struct plan_iteration its[] = {{.url = OTHER, R1}, {.url = PLAIN, CRB10}};
    struct plan_stage stage = {1000, 0, 0};
    struct plan_round round = round_of(&stage, 1, its, 2);
    struct plan plan = {.rounds = &round, .n_rounds = 1};

    (void)unused;
    says(&plan, &(struct capacity){10999, 9999, 1, 11000 * KIB - 1}, "",
         "rounds[0] \"r\": 1,000 clients may have 11,000 connections at once, and a process may "
         "have "
         "10,999 descriptors here (ulimit -n)\n"
         "rounds[0] \"r\": 1,000 clients may have 11,000 connections at once, 10,000 of them to "
         "a.test "
         "port 80, and 1 source address has 9,999 local ports (net.ipv4.ip_local_port_range)\n"
         "rounds[0] \"r\": 1,000 clients may have 11,000 connections at once, in 10.7 MiB of "
         "memory, "
         "and 10.7 MiB is available here\n");
    says(&plan, &(struct capacity){11000, 10000, 1, 11000 * KIB}, "", "");
}

static void each_round_is_checked_by_itself(void **unused)
{
    struct plan_iteration it = {.url = PLAIN, D60};
    struct plan_stage few = {10, 0, 0}, many = {11, 0, 0};
    struct plan_round rounds[] = {round_of(&few, 1, &it, 1), round_of(&many, 1, &it, 1),
                                  round_of(&few, 1, &it, 1)};
    struct plan plan = {.rounds = rounds, .n_rounds = 3};
    struct capacity c = vast;

    (void)unused;
    c.descriptors = 10;
    says(&plan, &c,
         "rounds[1] \"r\": 11 clients at once need 11 descriptors, and a process may have 10 here "
         "(ulimit -n)\n",
         "");
}

// 100 clients, 10 s apart where they are apart.
static void modes_differ_in_what_is_sure(void **unused)
{
    const struct {
        struct plan_iteration it;
        uint64_t arrival_delay_ms, sure, possible;
    } cases[] = {
        {{.url = PLAIN, D60}, 0, 100, 100},
        {{.url = PLAIN, D60}, 10000, 6, 12},
        {{.url = PLAIN, D60}, 60000, 1, 2},
        {{.url = PLAIN, D60}, 59999, 2, 3},
        {{.url = PLAIN, D60, .delay_ms = 3600000}, 10000, 6, 100},
        {{.url = PLAIN, R1}, 0, 0, 100},
        {{.url = PLAIN, R1}, 10000, 0, 6},
        {{.url = PLAIN, CB10}, 10000, 100, 1000},
        {{.url = PLAIN, DCB10}, 10000, 6, 120},
        {{.url = PLAIN, CRB10}, 10000, 0, 70}, // 62 s
        {{.url = PLAIN, CRB10}, 61000, 0, 20},
        {{.url = PLAIN,
          .mode = PLAN_MODE_CRB,
          .request_count = 20,
          .batch_size = 10,
          .cool_down_ms = 1000},
         61000,
         0,
         10},
        {{.url = PLAIN, CRB10}, 0, 0, 1000},
    };

    (void)unused;
    for (size_t i = 0; i < N_OF(cases); i++) {
        struct plan_iteration it = cases[i].it;
        struct plan_stage stage = {100, cases[i].arrival_delay_ms, 0};
        struct plan_round round = round_of(&stage, 1, &it, 1);
        needs(&round, cases[i].sure, cases[i].possible);
    }
}

static void http2_shares_a_connection_where_it_may_be_spoken(void **unused)
{
    const struct {
        struct plan_url url;
        enum plan_version version;
        bool h2c;
        uint64_t possible;
    } cases[] = {
        {PLAIN, PLAN_VERSION_2, false, 1000}, {PLAIN, PLAN_VERSION_2, true, 100},
        {TLS, PLAN_VERSION_2, false, 100},    {TLS, PLAN_VERSION_1_1, false, 1000},
        {TLS, PLAN_VERSION_1_0, false, 1000},
    };

    (void)unused;
    for (size_t i = 0; i < N_OF(cases); i++) {
        struct plan_iteration it = {.url = cases[i].url, CRB10};
        struct plan_stage stage = {100, 0, 0};
        struct plan_round round = round_of(&stage, 1, &it, 1);
        it.version = cases[i].version;
        it.h2c = cases[i].h2c;
        needs(&round, 0, cases[i].possible);
    }
}

static void a_journey_is_as_long_as_its_durations(void **unused)
{
    struct plan_iteration its[] = {
        {.url = PLAIN, R1}, {.url = PLAIN, D60}, {.url = PLAIN, DCB10, .delay_ms = 30000}};
    struct plan_stage stage = {100, 10000, 0};
    struct plan_round round = round_of(&stage, 1, its, 3);

    (void)unused;
    needs(&round, 15, 330); // 150 s; 60 + 120 + 30 + 120 s, of 10 each
    round.is_parallel = true;
    needs(&round, 6, 15 * 12); // 60 s; 30 + 120 s, of 1 + 1 + 10
}

static void a_closed_connection_is_sure_only_while_a_request_follows_another(void **unused)
{
    struct plan_header close = {"Connection", "Close"}, keep = {"Connection", "keep-alive"};
    struct plan_iteration its[] = {{.url = PLAIN, D60},
                                   {.url = PLAIN, D60},
                                   {.url = PLAIN, D60, .delay_ms = 20000},
                                   {.url = PLAIN, D60}};
    struct plan_iteration batch = {.url = PLAIN, DCB10};
    struct plan_stage stage = {100, 10000, 0};
    struct plan_round round = round_of(&stage, 1, its, 4);

    (void)unused;
    needs(&round, 26, 50);
    its[1].version = PLAN_VERSION_1_0;
    needs(&round, 12, 50);
    its[1].version = PLAN_VERSION_1_1;
    its[1].headers = &close;
    its[1].n_headers = 1;
    needs(&round, 12, 50);
    its[1].headers = &keep;
    needs(&round, 26, 50);
    round = round_of(&stage, 1, &batch, 1);
    needs(&round, 6, 120);
    batch.version = PLAN_VERSION_1_0;
    needs(&round, 0, 120);
}

static void servers_have_connections_of_their_own(void **unused)
{
    struct plan_iteration its[] = {
        {.url = PLAIN, R1}, {.url = TLS, R1}, {.url = OTHER, R1}, {.url = PLAIN, R1}};
    struct plan_stage stage = {100, 0, 0};
    struct plan_round round = round_of(&stage, 1, its, 4);

    (void)unused;
    needs(&round, 0, 300);
    round.is_parallel = true;
    needs(&round, 0, 400);
}

static void ports_count_by_server(void **unused)
{
    struct plan_iteration its[] = {{.url = OTHER, R1}, {.url = OTHER, D60}, {.url = PLAIN, DCB10}};
    struct plan_stage stage = {100, 0, 0};
    struct plan_round round = round_of(&stage, 1, its, 3);
    struct plan plan = {.rounds = &round, .n_rounds = 1};
    struct capacity c = vast;

    (void)unused;
    c.ports = 99;
    says(&plan, &c,
         "rounds[0] \"r\": 100 clients at once need 100 local ports for b.test port 80, and 1 "
         "source "
         "address has 99 local ports (net.ipv4.ip_local_port_range)\n",
         "");
    c.ports = 100;
    says(&plan, &c, "",
         "rounds[0] \"r\": 100 clients may have 1,100 connections at once, 1,000 of them to a.test "
         "port 80, and 1 source address has 100 local ports (net.ipv4.ip_local_port_range)\n");
    its[1] = (struct plan_iteration){.url = OTHER, R1}; // then a.test comes when nobody knows
    c.ports = 99;
    says(&plan, &c, "",
         "rounds[0] \"r\": 100 clients may have 1,100 connections at once, 1,000 of them to a.test "
         "port 80, and 1 source address has 99 local ports (net.ipv4.ip_local_port_range)\n");
    round.is_parallel = true;
    says(&plan, &c,
         "rounds[0] \"r\": 100 clients at once need 100 local ports for a.test port 80, and 1 "
         "source "
         "address has 99 local ports (net.ipv4.ip_local_port_range)\n",
         "");
}

static void memory_counts_by_what_a_connection_is(void **unused)
{
    const struct {
        struct plan_url url;
        enum plan_version version;
        bool h2c;
        uint64_t sure_kib, possible_kib; // each
    } cases[] = {
        {PLAIN, PLAN_VERSION_1_1, false, 1, 1}, {PLAIN, PLAN_VERSION_2, false, 1, 1},
        {PLAIN, PLAN_VERSION_2, true, 64, 64},  {TLS, PLAN_VERSION_1_1, false, 24, 24},
        {TLS, PLAN_VERSION_2, false, 24, 64},
    };

    (void)unused;
    for (size_t i = 0; i < N_OF(cases); i++) {
        struct plan_iteration it = {.url = cases[i].url, D60};
        struct plan_stage stage = {1000, 0, 0};
        struct plan_round round = round_of(&stage, 1, &it, 1);
        struct plan plan = {.rounds = &round, .n_rounds = 1};
        it.version = cases[i].version;
        it.h2c = cases[i].h2c;
        for (int past = 0; past < 2; past++) {
            struct capacity c = vast;
            c.memory_bytes = 1000 * cases[i].sure_kib * KIB - (uint64_t)past;
            struct outcome out = check(&plan, &c);
            assert_int_equal(out.refused[0] != '\0', past);
            assert_int_equal(out.doubted[0] != '\0',
                             !past && cases[i].sure_kib < cases[i].possible_kib);
            free(out.refused);
            free(out.doubted);
            c.memory_bytes = 1000 * cases[i].possible_kib * KIB;
            says(&plan, &c, "", "");
        }
    }
}

static void memory_that_is_unknown_is_no_reason(void **unused)
{
    struct plan_iteration it = {.url = TLS, D60};
    struct plan_stage stage = {PLAN_CLIENTS_MAX, 0, 0};
    struct plan_round round = round_of(&stage, 1, &it, 1);
    struct plan plan = {.rounds = &round, .n_rounds = 1};
    struct capacity c = vast;

    (void)unused;
    c.memory_bytes = 0;
    says(&plan, &c, "", "");
}

static void an_open_round_may_have_its_bound(void **unused)
{
    struct plan_iteration its[] = {{.url = PLAIN, RATE}, {.url = OTHER, RATE}};
    struct plan_stage stage = {1000, 0, 0};
    struct plan_round round = round_of(&stage, 1, its, 2);
    struct plan plan = {.rounds = &round, .n_rounds = 1};

    (void)unused;
    round.is_open = true;
    needs(&round, 0, 1000);
    round.is_parallel = true;
    needs(&round, 0, 1000);
    says(&plan, &(struct capacity){999, 1000, 1, 0}, "",
         "rounds[0] \"r\": 1,000 requests in flight may have 1,000 connections at once, and a "
         "process "
         "may have 999 descriptors here (ulimit -n)\n");
}

// Arrivals one by one.
static uint64_t counted(const struct plan_round *round, int64_t life_ms)
{
    int64_t *at = xcalloc(round->n_clients, sizeof *at), ms = 0;
    uint64_t n = 0, most = 0;

    for (size_t i = 0; i < round->n_stages; i++) {
        const struct plan_stage *stage = &round->stages[i];
        ms += (int64_t)stage->startup_delay_ms;
        for (uint64_t k = 0; k < stage->n_clients; k++) {
            ms += k > 0 ? (int64_t)stage->arrival_delay_ms : 0;
            at[n++] = ms;
        }
    }
    for (uint64_t last = 0, first = 0; last < n; last++) {
        while (at[last] - at[first] >= life_ms)
            first++;
        if (last - first + 1 > most)
            most = last - first + 1;
    }
    free(at);
    return most;
}

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005 + 1442695040888963407;
    return *seed >> 33;
}

static void clients_at_once_are_those_of_the_fullest_moment(void **unused)
{
    uint64_t seed = 1;

    (void)unused;
    for (int run = 0; run < 3000; run++) {
        struct plan_stage stages[6];
        struct plan_iteration it = {.url = PLAIN, D60};
        size_t n_stages = 1 + next_random(&seed) % N_OF(stages);
        uint64_t scale = 1 + next_random(&seed) % 1000;
        for (size_t i = 0; i < n_stages; i++) {
            stages[i].n_clients = next_random(&seed) % 20;
            stages[i].arrival_delay_ms = next_random(&seed) % 12 * scale;
            stages[i].startup_delay_ms = next_random(&seed) % 30 * scale;
        }
        stages[0].n_clients += 1;
        it.duration_s = 1 + next_random(&seed) % 60;
        struct plan_round round = round_of(stages, n_stages, &it, 1);
        needs(&round, counted(&round, (int64_t)it.duration_s * 1000),
              counted(&round, (int64_t)it.duration_s * 1000 + CAPACITY_REQUEST_MS));
    }
}

static void the_largest_plan_does_not_overflow(void **unused)
{
    enum { ITERATIONS = PLAN_SERIES_MAX };
    struct plan_iteration *its = xcalloc(ITERATIONS, sizeof *its);
    struct plan_stage *stages = xcalloc(PLAN_STAGES_MAX, sizeof *stages);
    struct capacity c = {1, 1, 1, 1};

    (void)unused;
    for (int i = 0; i < ITERATIONS; i++)
        its[i] = (struct plan_iteration){.mode = PLAN_MODE_CB + i % 3,
                                         .delay_ms = PLAN_DELAY_MAX_MS,
                                         .request_count = PLAN_COUNT_MAX,
                                         .duration_s = PLAN_DURATION_MAX_S,
                                         .batch_size = PLAN_BATCH_MAX,
                                         .cool_down_ms = PLAN_DELAY_MAX_MS,
                                         .version = PLAN_VERSION_1_1,
                                         .url = TLS};
    for (int i = 0; i < PLAN_STAGES_MAX; i++)
        stages[i] = (struct plan_stage){PLAN_CLIENTS_MAX / PLAN_STAGES_MAX, PLAN_DELAY_MAX_MS,
                                        PLAN_DELAY_MAX_MS};
    struct plan_round round = round_of(stages, PLAN_STAGES_MAX, its, ITERATIONS);
    struct plan plan = {.rounds = &round, .n_rounds = 1};
    for (int parallel = 0; parallel < 2; parallel++) {
        round.is_parallel = parallel;
        struct outcome out = check(&plan, &c);
        assert_non_null(
            strstr(out.refused, "1,000,000 clients at once need 1,000,000 descriptors"));
        free(out.refused);
        free(out.doubted);
    }
    its[0] = (struct plan_iteration){.url = TLS, R1};
    round.n_iterations = 1; // of doubts: a million clients that are days apart
    says(&plan, &(struct capacity){1, 1, 1, CAPACITY_TLS_BYTES}, "", "");
    free(stages);
    free(its);
}

static void this_host_has_something(void **unused)
{
    struct capacity one, three;

    (void)unused;
    capacity_read(&one, 0);
    capacity_read(&three, 3);
    assert_int_equal(one.n_sources, 1);
    assert_int_equal(three.n_sources, 3);
    assert_true(one.descriptors > 0 && one.descriptors == three.descriptors);
    assert_true(one.ports > 0 && one.ports <= UINT16_MAX && one.ports == three.ports);
    assert_true(one.memory_bytes > MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_is_not_mentioned),
        cmocka_unit_test(what_does_not_fit_is_said_with_its_numbers),
        cmocka_unit_test(what_may_not_fit_is_said_with_its_numbers),
        cmocka_unit_test(each_round_is_checked_by_itself),
        cmocka_unit_test(modes_differ_in_what_is_sure),
        cmocka_unit_test(http2_shares_a_connection_where_it_may_be_spoken),
        cmocka_unit_test(a_journey_is_as_long_as_its_durations),
        cmocka_unit_test(a_closed_connection_is_sure_only_while_a_request_follows_another),
        cmocka_unit_test(servers_have_connections_of_their_own),
        cmocka_unit_test(ports_count_by_server),
        cmocka_unit_test(memory_counts_by_what_a_connection_is),
        cmocka_unit_test(memory_that_is_unknown_is_no_reason),
        cmocka_unit_test(an_open_round_may_have_its_bound),
        cmocka_unit_test(clients_at_once_are_those_of_the_fullest_moment),
        cmocka_unit_test(the_largest_plan_does_not_overflow),
        cmocka_unit_test(this_host_has_something),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
