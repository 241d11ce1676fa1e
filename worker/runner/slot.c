#include "worker/runner/slot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mime.h"
#include "worker/runner/channel.h"
#include "worker/runner/save.h"

#define SKIP_NS        NS_PER_MS   // what a slot takes in which nothing was sent
#define KEPT_BYTES_MAX (64 * 1024) // of an answer's body, in a slot that waits to be used again

static void on_timer(struct loop_timer *timer);
static void on_page(struct page *page);

static struct slot *take(struct session *s, struct exchange *x)
{
    struct slot *slot;

    if (list_is_empty(&s->spare)) {
        slot = xcalloc(1, sizeof *slot);
        slot->session = s;
        slot->timer.on_due = on_timer;
        slot->page.client = s->client;
        slot->page.on_done = on_page;
    } else {
        slot = container_of(s->spare.next, struct slot, link);
        list_remove(&slot->link);
        s->n_spare--;
    }
    list_append(&s->slots, &slot->link);
    if (slot->series != &s->program->series[x->series]) {
        program_render_done(&slot->render);
        slot->origin = NULL;
    }
    slot->series = &s->program->series[x->series];
    slot->answer.wants_body = slot->series->wants_answer;
    slot->x = x;
    slot->on_done = x->on_done;
    slot->owner = x->owner;
    slot->intended_ns = x->intended_ns;
    slot->n_attempts = 0;
    slot->is_sent = slot->is_over = slot->is_ok = false;
    x->is_skipped = x->is_part = x->is_reused = false;
    return slot;
}

void slot_free(struct slot *slot)
{
    loop_timer_clear(slot->session->loop, &slot->timer);
    list_remove(&slot->link);
    program_render_done(&slot->render);
    request_done(&slot->request);
    answer_done(&slot->answer);
    page_done(&slot->page);
    free(slot);
}

static void make_spare(struct slot *slot)
{
    list_remove(&slot->link);
    list_prepend(&slot->session->spare, &slot->link);
    slot->session->n_spare++;
    slot->x = NULL;
}

// x's owner hears of it last: the session may be gone after that.
static void deliver(struct slot *slot)
{
    struct exchange *x = slot->x;
    bool ok = slot->is_ok;

    x->on_done = slot->on_done;
    x->owner = slot->owner;
    x->intended_ns = slot->intended_ns;
    x->request = NULL;
    x->answer = NULL;
    x->on_answer = NULL;
    make_spare(slot);
    page_done(&slot->page);
    if (slot->answer.body.cap > KEPT_BYTES_MAX)
        answer_done(&slot->answer);
    if (slot->session->n_spare > SLOTS_SPARE_MAX) {
        slot->session->n_spare--;
        slot_free(slot);
    }
    x->on_done(x, ok);
}

void slot_forget(struct slot *slot)
{
    loop_timer_clear(slot->session->loop, &slot->timer);
    if (!slot->is_sent)
        exchange_free(slot->session->client->net, slot->x);
    // Its memory stays: until client_cut, the client has its request.
    make_spare(slot);
}

static void set_timer(struct slot *slot, int64_t delay_ns)
{
    struct loop *loop = slot->session->loop;

    // Not in this pass, or what fails at once would keep the others from their turn.
    loop_timer_set(loop, &slot->timer, loop_now(loop) + (delay_ns > 0 ? delay_ns : 1));
}

// Within session_send x's owner is told later.
static void end(struct slot *slot)
{
    session_run_hooks(slot->session, &slot->series->request_after);
    slot->is_over = true;
    if (slot->is_beginning)
        set_timer(slot, SKIP_NS);
    else
        deliver(slot);
}

// The answer's fields for value_set_response, in memory of the session.
static const char *const *fields_of(struct session *s, const struct answer *a)
{
    const char *at = a->fields.data;

    if (2 * a->n_fields > s->fields_cap) {
        s->fields_cap = 2 * a->n_fields;
        s->fields = xreallocarray(s->fields, s->fields_cap, sizeof *s->fields);
    }
    for (size_t i = 0; i < 2 * a->n_fields; i++) {
        s->fields[i] = at;
        at += strlen(at) + 1;
    }
    return s->fields;
}

static void warn_of_body(struct slot *slot)
{
    const struct answer *a = &slot->answer;

    if (a->problem != NULL)
        script_warn(&slot->session->env, "iteration \"%s\": the answer's body: %s",
                    slot->series->iteration->name, a->problem);
    if (a->is_cut)
        script_warn(&slot->session->env, "iteration \"%s\": the answer's body is kept to %d bytes",
                    slot->series->iteration->name, ANSWER_BODY_MAX);
}

// What the regex leaves of it.
static void cut_body(struct slot *slot, const char **body, size_t *len)
{
    size_t at = 0, n = 0;
    int r = regex_find(slot->series->regex, *body, *len, &at, &n);

    if (r < 0)
        script_warn(&slot->session->env, "iteration \"%s\": the capture's regex %s",
                    slot->series->iteration->name,
                    r == -E2BIG ? "takes too long" : "matches nothing in the answer");
    *body += r < 0 ? 0 : at;
    *len = r < 0 ? 0 : n;
}

static void capture(struct slot *slot)
{
    const struct plan_capture *capture = slot->series->iteration->capture;
    const struct answer *a = &slot->answer;
    const char *body = a->body.len > 0 ? a->body.data : "";
    enum value_type type = capture->type;
    size_t len = a->body.len;
    struct value value = {0};

    if (type == VALUE_UNDEFINED)
        type = value_body_type(answer_find(a, "Content-Type"));
    if (type != VALUE_JSON && type != VALUE_XML && type != VALUE_CSV)
        type = VALUE_STRING;
    // A text has no paths that could be cut.
    if (a->status != 0 && slot->series->regex != NULL && type == VALUE_STRING)
        cut_body(slot, &body, &len);
    value_set_response(&value, a->status, a->reason, fields_of(slot->session, a), a->n_fields, type,
                       capture->is_quoted, body, len);
    if (type != VALUE_STRING)
        value_cut_paths(&value, slot->series->regex);
    script_store(session_env(slot->session), capture->to, capture->is_global, &value);
}

static bool wants_retry(const struct slot *slot)
{
    const struct program_series *ps = slot->series;
    const struct plan_retry *retry = ps->iteration->retry;
    struct script_env *env;

    if (retry == NULL || slot->session->is_stopping || slot->n_attempts > retry->max)
        return false;
    env = session_env(slot->session);
    if (ps->retry_stop != NULL && expr_is_true(ps->retry_stop, env))
        return false;
    return ps->retry_if == NULL || expr_is_true(ps->retry_if, env);
}

static int64_t delay_ns(const struct slot *slot)
{
    const struct plan_retry *retry = slot->series->iteration->retry;
    uint64_t max = retry->max_delay_ms > 0 ? retry->max_delay_ms : PLAN_DELAY_MAX_MS;
    uint64_t ms = retry->delay_ms;

    if (!retry->is_exponential)
        return (int64_t)ms * NS_PER_MS;
    for (uint64_t i = 1; i < slot->n_attempts && ms < max; i++)
        ms *= 2;
    return (int64_t)(ms < max ? ms : max) * NS_PER_MS;
}

// An attempt is over, with all that belongs to it.
static void attempt_over(struct slot *slot)
{
    struct program_series *ps = slot->series;

    if (ps->wants_answer) {
        if (!slot->is_ok)
            answer_reset(&slot->answer);
        warn_of_body(slot);
    }
    if (ps->iteration->capture != NULL)
        capture(slot);
    if (ps->iteration->save_response && slot->is_ok)
        save_answer(slot->session->program, ps, &slot->parts, &slot->answer,
                    loop_now(slot->session->loop));
    if (wants_retry(slot))
        set_timer(slot, delay_ns(slot));
    else
        end(slot);
}

static void on_done(struct exchange *x, bool ok)
{
    struct slot *slot = x->owner;

    slot->is_sent = false;
    slot->is_ok = ok;
    // Where x failed while its page was fetched, the rest of the page ends it.
    if (slot->page.n_left == 0)
        attempt_over(slot);
}

static void on_page(struct page *page)
{
    struct slot *slot = container_of(page, struct slot, page);

    if (slot->is_sent)
        client_finish(slot->session->client, slot->x);
    else
        attempt_over(slot);
}

static bool on_answer(struct exchange *x, unsigned status)
{
    struct slot *slot = x->owner;
    const struct answer *a = &slot->answer;
    const char *type = answer_find(a, "Content-Type");

    if (status < 200 || status > 299 || type == NULL || !mime_is(type, "text/html") ||
        a->body.len == 0)
        return false;
    return page_fetch(&slot->page, &x->out->parts, x->series, a->body.data, a->body.len);
}

static int prepare(struct slot *slot, char *why, size_t size)
{
    struct session *s = slot->session;
    const struct program_series *ps = slot->series;

    if (ps->is_constant) {
        slot->parts = ps->parts;
        slot->x->request = NULL;
        return 0;
    }
    if (program_render(ps, s->program, session_env(s), &slot->render, &slot->parts, why, size) < 0)
        return -EINVAL;
    if (slot->origin == NULL) {
        slot->origin_id = client_net_origin(s->client->net, &slot->parts, &slot->origin);
        if (slot->origin_id == UINT32_MAX) {
            slot->origin = NULL;
            snprintf(why, size, "there are too many origins, at most %d are taken",
                     CLIENT_ORIGINS_MAX);
            return -EINVAL;
        }
    }
    request_make(&slot->request, &slot->parts, NULL, slot->origin, slot->origin_id);
    slot->x->request = &slot->request;
    return 0;
}

// Nothing was sent, and it counts as a request that failed.
static void fail(struct slot *slot, const char *why)
{
    struct record *record = slot->session->client->net->record;
    int64_t now = loop_now(slot->session->loop);
    char *masked = program_mask(slot->session->program, why);

    slot->is_ok = slot->x->is_reused = false;
    record_started(record, slot->x->series, now);
    record_failed(record, slot->x->series, now, METRICS_ERROR_REQUEST, masked, false);
    free(masked);
    attempt_over(slot);
}

static void attempt(struct slot *slot)
{
    struct exchange *x = slot->x;
    char why[PROGRAM_WHY_SIZE];

    slot->n_attempts++;
    answer_reset(&slot->answer);
    if (prepare(slot, why, sizeof why) < 0) {
        fail(slot, why);
        return;
    }
    x->answer = slot->series->wants_answer ? &slot->answer : NULL;
    x->on_answer = slot->series->iteration->with_resources ? on_answer : NULL;
    x->on_done = on_done;
    x->owner = slot;
    x->intended_ns = slot->n_attempts == 1 ? slot->intended_ns : 0;
    slot->is_sent = true;
    client_send(slot->session->client, x);
}

static void on_timer(struct loop_timer *timer)
{
    struct slot *slot = container_of(timer, struct slot, timer);

    if (slot->is_over)
        deliver(slot);
    else
        attempt(slot);
}

void slot_begin(struct session *s, struct exchange *x)
{
    struct slot *slot = take(s, x);

    slot->is_beginning = true;
    attempt(slot);
    slot->is_beginning = false;
}

void slot_skip(struct session *s, struct exchange *x)
{
    struct slot *slot = take(s, x);

    record_skipped(s->client->net->record, x->series, loop_now(s->loop));
    slot->is_ok = slot->is_over = x->is_skipped = true;
    set_timer(slot, SKIP_NS);
}

void slot_stop(struct slot *slot)
{
    if (slot->timer.pos == 0)
        return;
    slot->is_over = true;
    set_timer(slot, 0);
}
