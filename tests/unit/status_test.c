#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/cli/status.h"

static void expect(const char *status, const char *text)
{
    json_t *json = json_loads(status, 0, NULL);
    char *written = status_format(json);

    assert_string_equal(written, text);
    free(written);
    json_decref(json);
}

static void an_idle_worker_without_a_master_says_why(void **state)
{
    (void)state;
    expect("{\"node\": \"w1\", \"master\": {\"address\": \"127.0.0.1:5001\", \"connected\": false,"
           " \"message\": \"master 127.0.0.1:5001: Connection refused\"}, \"submission\": null, "
           "\"cluster\": null}",
           "worker      w1\n"
           "connection  master 127.0.0.1:5001: Connection refused\n");
}

static void a_run_is_shown_with_its_members(void **state)
{
    (void)state;
    expect("{\"node\": \"w1\", \"master\": {\"address\": \"m:5001\", \"connected\": true},"
           " \"submission\": {\"submissionId\": \"2f1c\", \"state\": \"running\","
           " \"message\": \"running\"},"
           " \"cluster\": {\"node\": \"m1\", \"state\": \"Running\", \"status\": \"2/2 workers\","
           " \"nodes\": [{\"node\": \"w1\", \"connected\": true, \"version\": \"0.1.0\","
           " \"clockErrorUs\": 150}],"
           " \"run\": {\"id\": \"abc\", \"plan\": \"Q\", \"state\": \"Running\", \"counted\": 2,"
           " \"expected\": 2, \"elapsedMs\": 12000, \"totals\": {\"requests\": 9, \"errors\": 1},"
           " \"members\": [{\"node\": \"w1\", \"state\": \"Running\", \"requests\": 7},"
           " {\"node\": \"w2\", \"state\": \"Failed\", \"requests\": 2, \"observer\": true,"
           " \"reason\": \"stream lost\"}]}}}",
           "worker      w1\n"
           "connection  connected to m:5001\n"
           "submission  2f1c  running: running\n"
           "master      m1  Running: 2/2 workers\n"
           "  node      w1               here, version 0.1.0, clock error 0.15 ms\n"
           "run         abc  Q: Running, 2 of 2 workers\n"
           "  so far    12.0 s, 9 requests, 1 errors\n"
           "  member    w1               Running, 7 requests\n"
           "  member    w2               Failed, 2 requests, observer, stream lost\n");
}

static void those_that_wait_are_shown_once(void **state)
{
    (void)state;
    expect("{\"node\": \"w1\", \"master\": {\"address\": \"m:5001\", \"connected\": true},"
           " \"submission\": {\"submissionId\": \"a\", \"state\": \"running\","
           " \"message\": \"running\"},"
           " \"queue\": [{\"submissionId\": \"a\", \"state\": \"queued\", \"message\": \"x\"},"
           " {\"submissionId\": \"b\", \"state\": \"queued\", \"message\": \"queued\"}]}",
           "worker      w1\n"
           "connection  connected to m:5001\n"
           "submission  a  running: running\n"
           "submission  b  queued: queued\n");
}

static void a_document_of_another_shape_is_no_harm(void **state)
{
    (void)state;
    expect("{}", "worker      ?\nconnection  not connected to ?\n");
    expect("[1, 2]", "worker      ?\nconnection  not connected to ?\n");
    expect("{\"node\": 7, \"master\": [], \"cluster\": {\"nodes\": 3, \"run\": {\"members\": {}}}}",
           "worker      ?\nconnection  not connected to ?\n"
           "master      ?  ?: \n"
           "run         ?  ?: ?, 0 of 0 workers\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_worker_without_a_master_says_why),
        cmocka_unit_test(a_run_is_shown_with_its_members),
        cmocka_unit_test(those_that_wait_are_shown_once),
        cmocka_unit_test(a_document_of_another_shape_is_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
