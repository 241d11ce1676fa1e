#include "worker/runner/session.h"

#include <stdlib.h>

#include "common/clock.h"
#include "worker/runner/channel.h"
#include "worker/runner/slot.h"

static struct slot *of_link(struct list *link)
{
    return container_of(link, struct slot, link);
}

struct session *session_new(const struct program *program, struct client *client, uint64_t stream)
{
    struct session *s = xcalloc(1, sizeof *s);

    s->program = program;
    s->client = client;
    s->loop = client->net->loop;
    program_env(program, &s->env);
    // The streams of all parts are different ones.
    script_random_seed(&s->random, program->config.seed, stream * s->env.n_parts + s->env.part);
    s->env.session = &s->variables;
    s->env.random = &s->random;
    s->seen_ns = INT64_MIN;
    list_init(&s->slots);
    list_init(&s->spare);
    return s;
}

void session_free(struct session *s)
{
    if (s == NULL)
        return;
    while (!list_is_empty(&s->slots))
        slot_forget(of_link(s->slots.next));
    while (!list_is_empty(&s->spare))
        slot_free(of_link(s->spare.next));
    scope_done(&s->variables);
    buf_done(&s->scratch);
    free(s->fields);
    free(s);
}

struct script_env *session_env(struct session *s)
{
    int64_t now = loop_now(s->loop);

    if (now != s->seen_ns) {
        s->seen_ns = now;
        s->env.unix_ms = clock_wall_ms();
    }
    return &s->env;
}

void session_run_hooks(struct session *s, const struct program_hooks *hooks)
{
    for (size_t i = 0; i < hooks->n; i++) {
        s->scratch.len = 0;
        tmpl_render(hooks->tmpls[i], session_env(s), &s->scratch);
    }
}

bool session_enter(struct session *s, uint32_t series)
{
    const struct program_series *ps = &s->program->series[series];

    session_run_hooks(s, &ps->before);
    return ps->skip_if == NULL || !expr_is_true(ps->skip_if, session_env(s));
}

void session_leave(struct session *s, uint32_t series)
{
    session_run_hooks(s, &s->program->series[series].after);
}

void session_send(struct session *s, struct exchange *x)
{
    const struct program_series *ps = &s->program->series[x->series];

    if (ps->is_plain) {
        client_send(s->client, x);
        return;
    }
    session_run_hooks(s, &ps->request_before);
    if (ps->request_skip_if != NULL && expr_is_true(ps->request_skip_if, session_env(s)))
        slot_skip(s, x);
    else
        slot_begin(s, x);
}

void session_stop(struct session *s)
{
    s->is_stopping = true;
    for (struct list *at = s->slots.next; at != &s->slots; at = at->next)
        slot_stop(of_link(at));
}

void session_cut(struct session *s, uint32_t series)
{
    for (struct list *at = s->slots.next, *next; at != &s->slots; at = next) {
        struct slot *slot = of_link(at);
        next = at->next;
        if (slot->x->series == series)
            slot_forget(slot);
    }
}
