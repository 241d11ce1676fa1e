#include "worker/runner/save.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/mime.h"

static bool is_due(struct program_series *s, int64_t now_ns)
{
    int64_t next = atomic_load(&s->next_save_ns);

    return now_ns >= next &&
           atomic_compare_exchange_strong(&s->next_save_ns, &next, now_ns + SAVE_PERIOD_NS);
}

static const char *extension(const struct answer *a)
{
    static const struct {
        const char *type, *extension;
    } known[] = {
        {"application/json", ".json"}, {"application/xml", ".xml"}, {"text/xml", ".xml"},
        {"text/html", ".html"},        {"text/css", ".css"},        {"text/csv", ".csv"},
        {"text/javascript", ".js"},    {"text/plain", ".txt"},      {"application/pdf", ".pdf"},
        {"image/png", ".png"},         {"image/jpeg", ".jpg"},      {"image/gif", ".gif"},
        {"image/svg+xml", ".svg"},     {"image/webp", ".webp"},     {"application/zip", ".zip"},
    };
    const char *type = answer_find(a, "Content-Type");

    for (size_t i = 0; type != NULL && i < sizeof known / sizeof *known; i++)
        if (mime_is(type, known[i].type))
            return known[i].extension;
    return ".bin";
}

// Without its query, which often has what nobody else shall read, and without secrets.
static char *file_name(const struct program *p, const struct request_parts *parts,
                       const struct answer *a)
{
    const struct plan_url *url = &parts->url;
    char *text = xasprintf("http%s://%s%.*s", url->tls ? "s" : "", url->authority,
                           (int)strcspn(url->target, "?"), url->target);
    char *masked = program_mask(p, text), when[32];
    int64_t ms = clock_wall_ms();
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;

    for (char *c = masked; *c != '\0'; c++)
        if (*c == '/')
            *c = '-';
    gmtime_r(&seconds, &tm);
    strftime(when, sizeof when, "%Y-%m-%d_%H-%M-%S", &tm);
    char *name =
        xasprintf("%.*s_%s-%03d%s", SAVE_URL_MAX, masked, when, (int)(ms % 1000), extension(a));
    free(masked);
    free(text);
    return name;
}

void save_answer(const struct program *p, struct program_series *s,
                 const struct request_parts *parts, const struct answer *answer, int64_t now_ns)
{
    if (!is_due(s, now_ns))
        return;
    char *name = file_name(p, parts, answer);
    char *path = xasprintf("%s/%s", s->save_directory, name);
    int r = mkdir(s->save_directory, 0700) < 0 && errno != EEXIST
                ? -errno
                : file_create(path, 0600, answer->body.data, answer->body.len);
    if (r < 0 && !atomic_exchange(&s->has_save_warning, true)) {
        char *text = xasprintf("an answer cannot be saved as %s: %s", path, strerror(-r));
        program_warn(p, text);
        free(text);
    }
    free(path);
    free(name);
}
