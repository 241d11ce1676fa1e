#include "worker/daemon/share.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

// A state with these members, the oldest first.
static struct share share_among(const char *const *nodes, const uint32_t *parts, size_t n,
                                uint32_t n_parts, const char *node)
{
    Lps__V1__RunState state = LPS__V1__RUN_STATE__INIT;
    Lps__V1__MemberState member[4], *members[4];

    for (size_t i = 0; i < n; i++) {
        lps__v1__member_state__init(&member[i]);
        member[i].node = (char *)nodes[i];
        member[i].part = parts[i];
        members[i] = &member[i];
    }
    state.seed = 42;
    state.n_parts = n_parts;
    state.n_members = n;
    state.members = members;
    return share_of(&state, node);
}

static void assert_alone(struct share share)
{
    assert_int_equal(share.part, 0);
    assert_int_equal(share.n_parts, 1);
    assert_true(share.seed != 42);
}

static void members_of_the_start_share_the_seed(void **state)
{
    static const char *const nodes[] = {"w2", "w1"};
    static const uint32_t parts[] = {2, 1};

    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        struct share share = share_among(nodes, parts, 2, 2, nodes[i]);
        assert_int_equal(share.seed, 42);
        assert_int_equal(share.part, parts[i] - 1);
        assert_int_equal(share.n_parts, 2);
    }
}

static void who_came_too_late_is_alone_with_a_seed_of_its_own(void **state)
{
    static const char *const nodes[] = {"w1", "w2", "w3"};
    static const uint32_t parts[] = {1, 0, 0};
    struct share w2 = share_among(nodes, parts, 3, 1, "w2");
    struct share w3 = share_among(nodes, parts, 3, 1, "w3");

    (void)state;
    assert_alone(w2);
    assert_alone(w3);
    assert_true(w2.seed != w3.seed);
    assert_true(w2.seed == share_among(nodes, parts, 3, 1, "w2").seed); // the same each time
}

static void a_restarted_worker_does_not_take_the_part_it_had(void **state)
{
    static const char *const nodes[] = {"w1", "w1"};
    static const uint32_t parts[] = {1, 0};

    (void)state;
    assert_alone(share_among(nodes, parts, 2, 1, "w1"));
}

static void what_makes_no_sense_is_no_part(void **state)
{
    static const char *const nodes[] = {"w1"};
    static const uint32_t parts[] = {3};

    (void)state;
    assert_alone(share_among(nodes, parts, 1, 2, "w1"));
    assert_alone(share_among(nodes, parts, 0, 0, "w1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_of_the_start_share_the_seed),
        cmocka_unit_test(who_came_too_late_is_alone_with_a_seed_of_its_own),
        cmocka_unit_test(a_restarted_worker_does_not_take_the_part_it_had),
        cmocka_unit_test(what_makes_no_sense_is_no_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
