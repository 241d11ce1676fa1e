#include "worker/cli/runs.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/result.h"
#include "common/str.h"

#define ID_SHOWN   8 // of a run's id, as the summary does; lps show takes as many
#define PLAN_SHOWN 24

static const char *text_of(const json_t *run, const char *key)
{
    const char *text = json_string_value(json_object_get(run, key));

    return text != NULL ? text : "?";
}

static const char *verdict_of(const json_t *run)
{
    const json_t *code = json_object_get(run, "exitCode");

    if (!json_is_integer(code))
        return "-";
    switch (json_integer_value(code)) {
    case RESULT_PASSED:
        return "passed";
    case RESULT_FAILED:
        return "failed";
    case RESULT_DEGRADED:
        return "degraded";
    case RESULT_GENERATOR:
        return "generator-limited";
    case RESULT_CANCELLED:
        return "cancelled";
    default:
        return "?";
    }
}

static void put_time(struct buf *out, const json_t *run)
{
    const json_t *ms = json_object_get(run, "startedAt");
    time_t seconds = (time_t)(json_integer_value(ms) / 1000);
    struct tm local;
    char text[32] = "-";

    if (json_is_integer(ms) && localtime_r(&seconds, &local) != NULL)
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
    buf_printf(out, "  %-19s", text);
}

static void put_duration(struct buf *out, const json_t *run)
{
    const json_t *from = json_object_get(run, "startedAt"), *to = json_object_get(run, "endedAt");
    double s = (double)(json_integer_value(to) - json_integer_value(from)) / 1e3;

    if (!json_is_integer(from) || !json_is_integer(to))
        buf_printf(out, "  %10s", "-");
    else
        buf_printf(out, "  %8.1f s", s > 0 ? s : 0);
}

static void put_count(struct buf *out, const json_t *run, const char *key, int width)
{
    const json_t *n = json_object_get(run, key);

    if (json_is_integer(n))
        buf_printf(out, "  %*" PRId64, width, (int64_t)json_integer_value(n));
    else
        buf_printf(out, "  %*s", width, "-");
}

// Cut or filled up to the width, in characters; without what a terminal would take for a command.
static void put_plan(struct buf *out, const char *name)
{
    char *clean = str_clean(name, SIZE_MAX);
    size_t columns = 0, len = 0;

    for (; clean[len] != '\0'; len++) {
        bool begins = ((unsigned char)clean[len] & 0xc0) != 0x80;
        if (begins && columns == PLAN_SHOWN)
            break;
        columns += begins;
    }
    buf_puts(out, "  ");
    buf_append(out, clean, len);
    buf_printf(out, "%*s", (int)(PLAN_SHOWN - columns), "");
    free(clean);
}

static void put_run(struct buf *out, const json_t *run)
{
    char *id = str_clean(text_of(run, "id"), ID_SHOWN);
    char *state = str_clean(text_of(run, "state"), 16);

    buf_printf(out, "%-*s", ID_SHOWN, id);
    put_plan(out, text_of(run, "plan"));
    buf_printf(out, "  %-7s  %-9s", state, verdict_of(run));
    put_time(out, run);
    put_duration(out, run);
    put_count(out, run, "workers", 7);
    put_count(out, run, "requests", 12);
    buf_puts(out, "\n");
    free(state);
    free(id);
}

char *runs_format(const json_t *document)
{
    const json_t *runs = json_object_get(document, "runs"), *run;
    struct buf out = {0};
    size_t i;

    if (json_array_size(runs) == 0) {
        buf_puts(&out, "no runs yet\n");
        return buf_take(&out);
    }
    buf_printf(&out, "%-*s  %-*s  %-7s  %-9s  %-19s  %10s  %7s  %12s\n", ID_SHOWN, "run",
               PLAN_SHOWN, "plan", "state", "verdict", "when", "duration", "workers", "requests");
    json_array_foreach(runs, i, run) put_run(&out, run);
    return buf_take(&out);
}
