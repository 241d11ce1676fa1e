#include "worker/runner/resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/str.h"

// A failure is asked for again after this long; an address holds for the whole run.
#define FAILURE_KEPT_NS NS_PER_S

struct entry {
    struct entry *next;
    char *host;
    struct resolve_answer answer;
    int64_t asked_ns;
};

struct resolve {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool closed;
    struct resolve_query *first, **last; // waiting
    struct entry *entries;               // the helper's own
};

static void look_up(const char *host, int flags, struct resolve_answer *answer)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags}, *list;
    int rc = getaddrinfo(host, NULL, &hints, &list);

    *answer = (struct resolve_answer){0};
    if (rc != 0) {
        snprintf(answer->why, sizeof answer->why, "%s: %s", host, gai_strerror(rc));
        return;
    }
    for (struct addrinfo *ai = list; ai != NULL && answer->n < RESOLVE_ADDRESSES_MAX;
         ai = ai->ai_next) {
        if (ai->ai_addrlen <= sizeof answer->address[0])
            memcpy(&answer->address[answer->n++], ai->ai_addr, ai->ai_addrlen);
    }
    freeaddrinfo(list);
}

bool resolve_literal(const char *host, struct resolve_answer *ret_answer)
{
    look_up(host, AI_NUMERICHOST, ret_answer);
    return ret_answer->n > 0;
}

// All threads of a run ask for the same few names.
static const struct resolve_answer *cached_look_up(struct resolve *r, const char *host)
{
    struct entry *e = r->entries;

    while (e != NULL && strcmp(e->host, host) != 0)
        e = e->next;
    if (e == NULL) {
        e = xcalloc(1, sizeof *e);
        e->host = xstrdup(host);
        e->next = r->entries;
        r->entries = e;
    } else if (e->answer.n > 0 || clock_now().ns - e->asked_ns < FAILURE_KEPT_NS) {
        return &e->answer;
    }
    look_up(e->host, 0, &e->answer);
    e->asked_ns = clock_now().ns;
    return &e->answer;
}

static void free_resolve(struct resolve *r)
{
    for (struct entry *e = r->entries, *next; e != NULL; e = next) {
        next = e->next;
        free(e->host);
        free(e);
    }
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->wake);
    free(r);
}

static void *helper(void *arg)
{
    struct resolve *r = arg;

    pthread_mutex_lock(&r->lock);
    while (!r->closed) {
        struct resolve_query *query = r->first;
        if (query == NULL) {
            pthread_cond_wait(&r->wake, &r->lock);
            continue;
        }
        if ((r->first = query->next) == NULL)
            r->last = &r->first;
        char *host = xstrdup(query->host);
        pthread_mutex_unlock(&r->lock);
        const struct resolve_answer *answer = cached_look_up(r, host);
        free(host);
        pthread_mutex_lock(&r->lock);
        if (!r->closed) {
            query->answer = *answer;
            loop_post(query->loop, &query->post);
        }
    }
    pthread_mutex_unlock(&r->lock);
    free_resolve(r);
    return NULL;
}

struct resolve *resolve_new(void)
{
    struct resolve *r = xcalloc(1, sizeof *r);
    pthread_t thread;

    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->wake, NULL);
    r->last = &r->first;
    if (pthread_create(&thread, NULL, helper, r) != 0) {
        free_resolve(r);
        return NULL;
    }
    pthread_detach(thread);
    return r;
}

void resolve_close(struct resolve *r)
{
    if (r == NULL)
        return;
    pthread_mutex_lock(&r->lock);
    r->closed = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
}

void resolve_ask(struct resolve *r, struct resolve_query *query)
{
    pthread_mutex_lock(&r->lock);
    query->next = NULL;
    *r->last = query;
    r->last = &query->next;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
}
