#include "master/daemon/service_priv.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/jtext.h"
#include "common/str.h"

#define PIECE_MAX (64 * 1024) // of a text: windows and acknowledgements go in between

// A document that waits for the store, or for the worker to ask for the rest of it.
struct service_answer {
    TAILQ_ENTRY(service_answer) link;
    struct session *session; // NULL: gone
    uint64_t id;
    char *run;  // SHOW: what was asked for
    char *text; // NULL: the store is asked
    size_t len;
};

static void reply(struct session *s, uint64_t id, bool ok, const char *text, bool more)
{
    Lps__V1__CommandReply msg = LPS__V1__COMMAND_REPLY__INIT;

    msg.id = id;
    msg.ok = ok;
    msg.text = (char *)text;
    msg.more = more;
    service_send(s, LPS__V1__MASTER_MESSAGE__BODY_COMMAND, &msg);
}

static void drop(struct service_answer *a)
{
    if (a->session != NULL) {
        TAILQ_REMOVE(&a->session->answers, a, link);
        a->session->n_answers--;
    }
    free(a->run);
    free(a->text);
    free(a);
}

void service_drop_answers(struct session *s)
{
    struct service_answer *a, *next;

    for (a = TAILQ_FIRST(&s->answers); a != NULL; a = next) {
        next = TAILQ_NEXT(a, link);
        if (a->text != NULL)
            drop(a);
        else // the store has it
            a->session = NULL;
    }
}

// One that the worker has not come back for makes place.
static bool make_place(struct session *s)
{
    struct service_answer *a;

    if (s->n_answers < SERVICE_ANSWERS_MAX)
        return true;
    TAILQ_FOREACH(a, &s->answers, link)
    if (a->text != NULL) {
        drop(a);
        return true;
    }
    return false;
}

// NULL: it was refused.
static struct service_answer *begin(struct session *s, const Lps__V1__Command *msg)
{
    if (!make_place(s)) {
        reply(s, msg->id, false, "too many questions are open", false);
        return NULL;
    }
    struct service_answer *a = xcalloc(1, sizeof *a);
    *a = (struct service_answer){.session = s, .id = msg->id, .run = xstrdup(msg->run)};
    TAILQ_INSERT_TAIL(&s->answers, a, link);
    s->n_answers++;
    return a;
}

static void refuse(struct service_answer *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void refuse(struct service_answer *a, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    char *why = xvasprintf(fmt, ap);
    va_end(ap);
    if (a->session != NULL)
        reply(a->session, a->id, false, why, false);
    free(why);
    drop(a);
}

// Ends before a character, as any text in protobuf.
static size_t piece_len(const struct service_answer *a, size_t offset)
{
    size_t len = a->len - offset;

    if (len <= PIECE_MAX)
        return len;
    for (len = PIECE_MAX; len > PIECE_MAX - 4 && ((uint8_t)a->text[offset + len] & 0xc0) == 0x80;)
        len--;
    return len;
}

static void send_piece(struct service_answer *a, size_t offset)
{
    size_t len = piece_len(a, offset);
    bool more = offset + len < a->len;
    char *piece = xstrndup(a->text + offset, len);

    reply(a->session, a->id, true, piece, more);
    free(piece);
    if (!more)
        drop(a);
}

// Takes text.
static void give(struct service_answer *a, char *text)
{
    a->text = text;
    a->len = strlen(text);
    if (a->session == NULL)
        drop(a);
    else
        send_piece(a, 0);
}

static void give_json(struct service_answer *a, json_t *json)
{
    give(a, jtext_format(json, false));
    json_decref(json);
}

static void answer_more(struct session *s, const Lps__V1__Command *msg)
{
    struct service_answer *a;

    TAILQ_FOREACH(a, &s->answers, link)
    if (a->id == msg->id && a->text != NULL && msg->offset < a->len) {
        send_piece(a, msg->offset);
        return;
    }
    reply(s, msg->id, false, "the answer is no longer there", false);
}

static void on_runs(json_t *runs, void *arg)
{
    if (runs == NULL)
        refuse(arg, "the history cannot be read");
    else
        give_json(arg, json_pack("{s:o}", "runs", runs));
}

// --- SHOW ---

static void on_result(const char *result, void *arg)
{
    struct service_answer *a = arg;

    if (result == NULL)
        refuse(a, "run %s has no result", a->run);
    else
        give(a, xstrdup(result));
}

static bool begins(const char *id, const char *with)
{
    return id != NULL && strncmp(id, with, strlen(with)) == 0;
}

static void show_newest(const struct master *m, struct service_answer *a)
{
    const struct cluster_run *state = cluster_run(m->cluster);

    if (m->run->result != NULL)
        give_json(a, json_incref(m->run->result));
    else if (state->t0_ns == 0)
        refuse(a, "run %s %s", m->run->id,
               cluster_is_open(m->cluster) ? "waits for its start" : "never started");
    else
        give_json(a, run_result(m->run, state, clock_boot_now().ns));
}

// The one run of the history that is meant, or the newest, which may not be in it yet.
static void on_history(json_t *runs, void *arg)
{
    struct service_answer *a = arg;
    const struct master *m = a->session == NULL ? NULL : a->session->service->master;
    const char *newest = m != NULL && m->run != NULL ? m->run->id : NULL, *found = NULL;
    size_t i, n = 0;
    json_t *run;

    if (begins(newest, a->run)) {
        found = newest;
        n = 1;
    }
    json_array_foreach(runs, i, run)
    {
        const char *id = json_string_value(json_object_get(run, "id"));
        if (!begins(id, a->run) || (found != NULL && strcmp(found, id) == 0))
            continue;
        found = id;
        n++;
    }
    if (m == NULL)
        drop(a);
    else if (n > 1)
        refuse(a, "%zu runs begin with %s", n, a->run);
    else if (n == 0)
        refuse(a, "%s%s", runs == NULL ? "the history cannot be read, nor run " : "no run ",
               a->run);
    else if (found == newest)
        show_newest(m, a);
    else {
        char *id = xstrdup(found);
        free(a->run);
        a->run = id;
        store_get_result(m->store, id, on_result, a);
    }
    json_decref(runs);
}

// --- Commands ---

void service_command(struct session *s, const Lps__V1__Command *msg)
{
    struct master *m = s->service->master;
    struct service_answer *a;
    char why[128] = "";

    if (msg->verb == LPS__V1__COMMAND__VERB__READY) {
        bool ok = cluster_start(m->cluster, clock_boot_now().ns, why, sizeof why) == 0;
        reply(s, msg->id, ok, why, false);
        return;
    }
    if (msg->verb == LPS__V1__COMMAND__VERB__MORE) {
        answer_more(s, msg);
        return;
    }
    if ((a = begin(s, msg)) == NULL)
        return;
    if (msg->verb == LPS__V1__COMMAND__VERB__RUNS)
        store_list(m->store, msg->limit, on_runs, a);
    else if (msg->verb == LPS__V1__COMMAND__VERB__SHOW)
        store_list(m->store, STORE_RUNS_MAX, on_history, a);
    else
        give_json(a, master_state(m));
}
