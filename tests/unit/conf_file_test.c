// Files of settings: read, edited, made.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/str.h"
#include "tests/unit/conf_test_util.h"

static char directory[] = "/tmp/lps-conf-XXXXXX";
static char path[64]; // of a file in it

static void write_text(const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void a_file_is_read_and_the_host_names_the_node(void **state)
{
    struct diag d = {0};
    struct conf *conf;
    char host[256] = "";

    (void)state;
    gethostname(host, sizeof host - 1);
    write_text("{\"Cluster\": {\"GRPCPort\": 7}}");
    assert_int_equal(conf_load(path, &d, &conf), 0);
    assert_int_equal(conf->cluster.grpc_port, 7);
    assert_string_equal(conf->cluster.node_name, host);
    conf_free(conf);
    write_text("{\"Cluster\": {\"NodeName\": \"w1\"}}");
    assert_int_equal(conf_load(path, &d, &conf), 0);
    assert_string_equal(conf->cluster.node_name, "w1");
    assert_int_equal(conf_take_host_name(conf, &d), 0);
    assert_string_equal(conf->cluster.node_name, "w1");
    conf_free(conf);
}

static void a_missing_file_is_told_from_a_bad_one(void **state)
{
    struct diag d = {0};
    struct conf *conf;

    (void)state;
    assert_int_equal(conf_load(path, &d, &conf), -ENOENT);
    assert_int_equal(conf_load(directory, &d, &conf), -EISDIR);
    assert_int_equal(d.n, 0);
    write_text("");
    assert_int_equal(conf_load(path, &d, &conf), -EINVAL);
    assert_int_equal(d.n, 1);
    diag_done(&d);
}

static void a_file_of_more_than_a_mebibyte_is_refused(void **state)
{
    struct diag d = {0};
    struct conf *conf;
    char *text = xcalloc(CONF_BYTES_MAX + 2, 1);

    (void)state;
    memset(text, ' ', CONF_BYTES_MAX + 1);
    text[0] = '{';
    text[1] = '}';
    write_text(text);
    assert_int_equal(conf_load(path, &d, &conf), -EINVAL);
    assert_string_equal(d.entry[0].text, "found more than 1024 KiB of settings");
    diag_done(&d);
    text[CONF_BYTES_MAX] = '\0';
    write_text(text);
    assert_int_equal(conf_load(path, &d, &conf), 0);
    conf_free(conf);
    free(text);
}

static int edit(const char *key, const char *value, struct diag *d)
{
    return conf_edit(path, &key, &value, 1, d);
}

static void edits(const char *before, const char *key, const char *value, const char *after)
{
    struct diag d = {0};

    write_text(before);
    int r = edit(key, value, &d);
    if (r < 0)
        fail_msg("%d %s", r, d.n > 0 ? d.entry[0].text : "");
    char *text = read_text(path);
    assert_string_equal(text, after);
    free(text);
}

static void an_edit_changes_its_key_and_nothing_else(void **state)
{
    (void)state;
    edits("{\"Watchdog\": {\"MaxMemoryMB\": 1},\n\"Cluster\": {\"Lease\": 0.7, \"GRPCPort\": 1}}",
          "Cluster.GRPCPort", "5002",
          "{\n  \"Watchdog\": {\n    \"MaxMemoryMB\": 1\n  },\n"
          "  \"Cluster\": {\n    \"Lease\": 0.7,\n    \"GRPCPort\": 5002\n  }\n}\n");
    edits("{}", "Cluster.MasterNodeIsWorker", "FALSE",
          "{\n  \"Cluster\": {\n    \"MasterNodeIsWorker\": false\n  }\n}\n");
    edits("{\"LPSAppSettings\": {}}", "Cluster.NodeName", "7",
          "{\n  \"LPSAppSettings\": {\n    \"Cluster\": {\n      \"NodeName\": \"7\"\n    }\n"
          "  }\n}\n");
    edits("{\"LPSDashboardConfiguration\": {}}", "Dashboard.Port", "1",
          "{\n  \"LPSDashboardConfiguration\": {\n    \"Port\": 1\n  }\n}\n");
    edits("{\"FileLogger\": {\"ConsoleLogingLevel\": 1}}", "FileLogger.ConsoleLoggingLevel",
          "Error", "{\n  \"FileLogger\": {\n    \"ConsoleLogingLevel\": \"Error\"\n  }\n}\n");
    edits("{}", "HttpClient.ServerTimeHeader", "null",
          "{\n  \"HttpClient\": {\n    \"ServerTimeHeader\": null\n  }\n}\n");
    edits("{}", "HttpClient.ServerTimeHeader", "1",
          "{\n  \"HttpClient\": {\n    \"ServerTimeHeader\": \"1\"\n  }\n}\n");
    edits("{}", "Cluster.StartLead", "0.25",
          "{\n  \"Cluster\": {\n    \"StartLead\": 0.25\n  }\n}\n");
}

static void an_edit_makes_a_file_that_is_missing(void **state)
{
    static const char *const keys[] = {"Cluster.MasterNodeIP", "Cluster.GRPCPort"};
    static const char *const values[] = {"10.0.0.1", "5002"};
    struct diag d = {0};
    struct conf *conf;
    struct stat st;

    (void)state;
    assert_int_equal(conf_edit(path, keys, values, 2, &d), 0);
    assert_int_equal(conf_load(path, &d, &conf), 0);
    assert_string_equal(conf->cluster.master_node_ip, "10.0.0.1");
    assert_int_equal(conf->cluster.grpc_port, 5002);
    conf_free(conf);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
}

static void refuses_edit(const char *key, const char *value, const char *begin)
{
    struct diag d = {0};

    assert_int_equal(edit(key, value, &d), -EINVAL);
    if (d.n != 1 || strncmp(d.entry[0].text, begin, strlen(begin)) != 0 || d.entry[0].line != 0)
        fail_msg("%zu: %d: %s", d.n, d.entry[0].line, d.entry[0].text);
    diag_done(&d);
}

static void a_bad_edit_writes_nothing(void **state)
{
    const char *before = "{\"Cluster\": {\"GRPCPort\": 1}}";

    (void)state;
    write_text(before);
    refuses_edit("Cluster.GRPCPort", "70000", "Cluster.GRPCPort: found 70000, expected 0 to 65535");
    refuses_edit("Cluster.GRPCPort", "x", "Cluster.GRPCPort: found \"x\", expected a whole number");
    refuses_edit("Cluster.GRPCPort", "", "Cluster.GRPCPort: found \"\", expected a whole number");
    refuses_edit("Cluster.GRPCPort", "1e3", "Cluster.GRPCPort: found 1000, expected a whole");
    refuses_edit("Cluster.GRPCPort", "[1]", "Cluster.GRPCPort: found \"[1]\", expected a whole");
    refuses_edit("Cluster.Insecure", "1", "Cluster.Insecure: found \"1\", expected true or false");
    refuses_edit("Cluster.NodeName", "a b", "Cluster.NodeName: found \"a b\", expected 1 to 64 of");
    refuses_edit("Cluster.NodeName", "\xff", "Cluster.NodeName: found bytes that are not UTF-8");
    refuses_edit("Cluster.Port", "1", "Cluster.Port: unknown key");
    refuses_edit("GRPCPort", "1", "GRPCPort: unknown key");
    refuses_edit("", "1", ": unknown key");
    char *after = read_text(path);
    assert_string_equal(after, before);
    free(after);
}

static void a_file_that_is_wrong_before_stays_as_it_is(void **state)
{
    struct diag d = {0};

    (void)state;
    write_text("{\"Cluster\": {\"GRPCPort\": 70000}}");
    assert_int_equal(edit("Cluster.GRPCPort", "1", &d), -EINVAL);
    assert_int_equal(d.entry[0].line, 1);
    assert_int_equal(d.entry[0].column, 26);
    diag_done(&d);
    char *after = read_text(path);
    assert_string_equal(after, "{\"Cluster\": {\"GRPCPort\": 70000}}");
    free(after);
}

static void an_edit_keeps_mode_and_link(void **state)
{
    char link_path[80];
    struct diag d = {0};
    struct stat st;
    const char *key = "Cluster.GRPCPort", *value = "9";

    (void)state;
    snprintf(link_path, sizeof link_path, "%s.link", path);
    write_text("{}");
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(symlink(path, link_path), 0);
    assert_int_equal(conf_edit(link_path, &key, &value, 1, &d), 0);
    assert_int_equal(lstat(link_path, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    char *after = read_text(path);
    assert_non_null(strstr(after, "\"GRPCPort\": 9"));
    free(after);
    unlink(link_path);
}

static void a_directory_that_is_missing_is_an_error(void **state)
{
    const char *key = "Cluster.GRPCPort", *value = "9";
    struct diag d = {0};

    (void)state;
    assert_int_equal(conf_edit("/nowhere/at/all.json", &key, &value, 1, &d), -ENOENT);
    assert_int_equal(d.n, 0);
}

static int make_directory(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/lpsSettings.json", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

static int remove_file(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

#define FILE_TEST(name) cmocka_unit_test_teardown(name, remove_file)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(a_file_is_read_and_the_host_names_the_node),
        FILE_TEST(a_missing_file_is_told_from_a_bad_one),
        FILE_TEST(a_file_of_more_than_a_mebibyte_is_refused),
        FILE_TEST(an_edit_changes_its_key_and_nothing_else),
        FILE_TEST(an_edit_makes_a_file_that_is_missing),
        FILE_TEST(a_bad_edit_writes_nothing),
        FILE_TEST(a_file_that_is_wrong_before_stays_as_it_is),
        FILE_TEST(an_edit_keeps_mode_and_link),
        FILE_TEST(a_directory_that_is_missing_is_an_error),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
