#include "worker/cli/status.h"

#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "common/str.h"

static const char *text_of(const json_t *json, const char *key, const char *fallback)
{
    const char *text = json_string_value(json_object_get(json, key));

    return text != NULL ? text : fallback;
}

static int64_t number_of(const json_t *json, const char *key)
{
    return json_integer_value(json_object_get(json, key));
}

static bool flag_of(const json_t *json, const char *key)
{
    return json_is_true(json_object_get(json, key));
}

static void put_submission(struct buf *out, const json_t *submission)
{
    buf_printf(out, "submission  %s  %s: %s\n", text_of(submission, "submissionId", "?"),
               text_of(submission, "state", "?"), text_of(submission, "message", ""));
}

static void put_worker(struct buf *out, const json_t *status)
{
    const json_t *master = json_object_get(status, "master");
    const json_t *submission = json_object_get(status, "submission");
    const char *trouble = text_of(master, "message", NULL);
    json_t *queued;
    size_t i;

    buf_printf(out, "worker      %s\n", text_of(status, "node", "?"));
    if (flag_of(master, "connected") || trouble == NULL)
        buf_printf(out, "connection  %s to %s\n",
                   flag_of(master, "connected") ? "connected" : "not connected",
                   text_of(master, "address", "?"));
    else
        buf_printf(out, "connection  %s\n", trouble);
    if (json_is_object(submission))
        put_submission(out, submission);
    json_array_foreach(json_object_get(status, "queue"), i, queued)
    {
        if (strcmp(text_of(queued, "submissionId", "?"), text_of(submission, "submissionId", "")) !=
            0)
            put_submission(out, queued);
    }
}

static void put_nodes(struct buf *out, const json_t *nodes)
{
    size_t i;
    json_t *node;

    json_array_foreach(nodes, i, node)
        buf_printf(out, "  node      %-16s %s, version %s, clock error %.2f ms\n",
                   text_of(node, "node", "?"), flag_of(node, "connected") ? "here" : "gone",
                   text_of(node, "version", "?"), (double)number_of(node, "clockErrorUs") / 1e3);
}

static void put_run(struct buf *out, const json_t *run)
{
    const json_t *totals = json_object_get(run, "totals");
    size_t i;
    json_t *member;

    buf_printf(out, "run         %s  %s: %s, %" PRId64 " of %" PRId64 " workers\n",
               text_of(run, "id", "?"), text_of(run, "plan", "?"), text_of(run, "state", "?"),
               number_of(run, "counted"), number_of(run, "expected"));
    if (json_is_object(totals))
        buf_printf(out, "  so far    %.1f s, %" PRId64 " requests, %" PRId64 " errors\n",
                   (double)number_of(run, "elapsedMs") / 1e3, number_of(totals, "requests"),
                   number_of(totals, "errors"));
    json_array_foreach(json_object_get(run, "members"), i, member)
    {
        const char *reason = text_of(member, "reason", "");
        buf_printf(out, "  member    %-16s %s, %" PRId64 " requests%s%s%s\n",
                   text_of(member, "node", "?"), text_of(member, "state", "?"),
                   number_of(member, "requests"), flag_of(member, "observer") ? ", observer" : "",
                   reason[0] != '\0' ? ", " : "", reason);
    }
}

char *status_format(const json_t *status)
{
    const json_t *cluster = json_object_get(status, "cluster");
    const json_t *run = json_object_get(cluster, "run");
    struct buf out = {0};

    put_worker(&out, status);
    if (json_is_object(cluster)) {
        buf_printf(&out, "master      %s  %s: %s\n", text_of(cluster, "node", "?"),
                   text_of(cluster, "state", "?"), text_of(cluster, "status", ""));
        put_nodes(&out, json_object_get(cluster, "nodes"));
    }
    if (json_is_object(run))
        put_run(&out, run);
    return buf_take(&out);
}
