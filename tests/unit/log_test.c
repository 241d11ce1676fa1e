#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"
#include "common/str.h"

static int real_stderr, capture[2];
static char directory[] = "/tmp/lps-log-XXXXXX";
static int journal = -1; // a datagram socket in place of journald's
static char journal_path[64];

// What was written to stderr since the last call.
static const char *written(void)
{
    static char text[65536];
    ssize_t n = read(capture[0], text, sizeof text - 1);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

static const char *received(void)
{
    static char text[65536];
    ssize_t n = recv(journal, text, sizeof text - 1, MSG_DONTWAIT);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void messages_without_a_terminal_have_their_priority_in_front(void **state)
{
    (void)state;
    log_open("lps-test", LOG_DEBUG);
    log_msg(LOG_CRIT, "a");
    log_error("b %d", 7);
    log_warning("%s", "c");
    log_info("d");
    log_debug("e");
    assert_string_equal(written(), "<2>a\n<3>b 7\n<4>c\n<6>d\n<7>e\n");
}

static void less_important_messages_are_dropped(void **state)
{
    (void)state;
    log_open("lps-test", LOG_WARNING);
    log_info("no");
    log_warning("yes");
    assert_string_equal(written(), "<4>yes\n");
    log_set_max_priority(LOG_INFO);
    log_info("now");
    log_debug("no");
    assert_string_equal(written(), "<6>now\n");
}

static void fields_follow_the_text(void **state)
{
    (void)state;
    log_open("lps-test", LOG_INFO);
    log_event(LOG_INFO, &(struct log_fields){.run_id = "r1", .node = "w1", .event = "ready"}, "go");
    log_event(LOG_INFO, &(struct log_fields){.node = "w1"}, "go");
    log_event(LOG_INFO, &(struct log_fields){0}, "go");
    assert_string_equal(written(), "<6>go [event=ready run=r1 node=w1]\n<6>go [node=w1]\n<6>go\n");
}

static void a_message_stays_one_harmless_line(void **state)
{
    static const char *const cases[][2] = {
        {"a\nb\r\n", "a\\nb\\x0d\\n"},
        {"\x1b[31mred\x7f\t", "\\x1b[31mred\\x7f\\x09"},
        {"<2>fake", "<2>fake"},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\xff\xc3", "\\xff\\xc3"},
        {"\xc2\x9b", "\\xc2\\x9b"},          // CSI in one character
        {"\xc0\xaf", "\\xc0\\xaf"},          // overlong
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"}, // surrogate
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
        {"\xe2\x82", "\\xe2\\x82"},
        {"", ""},
    };
    char expected[128];

    (void)state;
    log_open("lps-test", LOG_INFO);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        log_info("%s", cases[i][0]);
        snprintf(expected, sizeof expected, "<6>%s\n", cases[i][1]);
        assert_string_equal(written(), expected);
    }
    log_event(LOG_INFO, &(struct log_fields){.node = "a\nb"}, "x");
    assert_string_equal(written(), "<6>x [node=a\\nb]\n");
}

static void long_messages_are_cut(void **state)
{
    char *text = xcalloc(4098, 1);

    (void)state;
    log_open("lps-test", LOG_INFO);
    memset(text, 'x', 4097);
    log_info("%s", text);
    const char *out = written();
    assert_int_equal(strlen(out), 3 + 4096 + 3 + 1);
    assert_string_equal(out + 3 + 4096, "...\n");
    text[4096] = '\0';
    log_info("%s", text);
    out = written();
    assert_int_equal(strlen(out), 3 + 4096 + 1);
    assert_string_equal(out + 3 + 4095, "x\n");
    free(text);
}

static void errno_survives(void **state)
{
    (void)state;
    log_open("lps-test", LOG_INFO);
    errno = ENOTTY;
    log_info("x");
    assert_int_equal(errno, ENOTTY);
    written();
}

static void the_journal_gets_fields(void **state)
{
    (void)state;
    setenv("LPS_JOURNAL_SOCKET", journal_path, 1);
    log_open("lps-test", LOG_INFO);
    log_event(LOG_WARNING,
              &(struct log_fields){.run_id = "r1", .node = "w\n1", .event = "worker-lost"},
              "a=b\nPRIORITY=0");
    assert_string_equal(received(), "MESSAGE=a=b\\nPRIORITY=0\nPRIORITY=4\n"
                                    "SYSLOG_IDENTIFIER=lps-test\nLPS_RUN_ID=r1\n"
                                    "LPS_NODE=w\\n1\nLPS_EVENT=worker-lost\n");
    log_info("plain");
    assert_string_equal(received(), "MESSAGE=plain\nPRIORITY=6\nSYSLOG_IDENTIFIER=lps-test\n");
    log_debug("no");
    assert_string_equal(received(), "");
    assert_string_equal(written(), "");
}

static void a_journal_that_is_gone_leaves_stderr(void **state)
{
    (void)state;
    setenv("LPS_JOURNAL_SOCKET", journal_path, 1);
    log_open("lps-test", LOG_INFO);
    close(journal);
    journal = -1;
    log_info("still here");
    assert_string_equal(written(), "<6>still here\n");
    log_close();
    setenv("LPS_JOURNAL_SOCKET", "/nowhere/socket", 1);
    log_open("lps-test", LOG_INFO);
    log_info("here too");
    assert_string_equal(written(), "<6>here too\n");
}

static void only_the_journals_own_stream_leads_to_the_journal(void **state)
{
    struct stat st;
    char stream[64];

    (void)state;
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino + 1);
    setenv("JOURNAL_STREAM", stream, 1);
    log_open("lps-test", LOG_INFO);
    log_info("another stream");
    assert_string_equal(written(), "<6>another stream\n");
    setenv("JOURNAL_STREAM", "nonsense", 1);
    log_open("lps-test", LOG_INFO);
    log_info("no stream");
    assert_string_equal(written(), "<6>no stream\n");
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_open("lps-test", LOG_INFO);
    log_debug("not even there");
    log_info("unit test of lps: please ignore");
    assert_string_equal(written(), "");
}

static void *log_many(void *arg)
{
    for (int i = 0; i < 100; i++)
        log_info("%s %d", (const char *)arg, i);
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
    pthread_t thread[4];
    static const char *const names[] = {"aaaaaaaa", "bbbbbbbb", "cccccccc", "dddddddd"};
    int n_lines = 0;

    (void)state;
    log_open("lps-test", LOG_INFO);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, log_many, (void *)names[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    char *text = xstrdup(written()), *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        char name[16];
        int i;
        assert_int_equal(sscanf(line, "<6>%15s %d", name, &i), 2);
        assert_int_equal(strspn(name, (char[]){name[0], '\0'}), 8);
        n_lines++;
    }
    assert_int_equal(n_lines, 400);
    free(text);
}

static int setup(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)state;
    unsetenv("JOURNAL_STREAM");
    unsetenv("LPS_JOURNAL_SOCKET");
    snprintf(journal_path, sizeof journal_path, "%s/journal", directory);
    strcpy(address.sun_path, journal_path);
    journal = socket(AF_UNIX, SOCK_DGRAM, 0);
    return bind(journal, (struct sockaddr *)&address, sizeof address);
}

static int teardown(void **state)
{
    (void)state;
    log_close();
    if (journal >= 0)
        close(journal);
    return unlink(journal_path);
}

static int open_all(void **state)
{
    (void)state;
    real_stderr = dup(STDERR_FILENO);
    if (mkdtemp(directory) == NULL || pipe2(capture, O_NONBLOCK) < 0)
        return -1;
    return dup2(capture[1], STDERR_FILENO) < 0 ? -1 : 0;
}

static int close_all(void **state)
{
    (void)state;
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    close(capture[0]);
    close(capture[1]);
    return rmdir(directory);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(messages_without_a_terminal_have_their_priority_in_front),
        TEST(less_important_messages_are_dropped),
        TEST(fields_follow_the_text),
        TEST(a_message_stays_one_harmless_line),
        TEST(long_messages_are_cut),
        TEST(errno_survives),
        TEST(the_journal_gets_fields),
        TEST(a_journal_that_is_gone_leaves_stderr),
        TEST(only_the_journals_own_stream_leads_to_the_journal),
        TEST(lines_of_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
