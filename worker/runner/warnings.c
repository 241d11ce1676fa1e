#include "worker/runner/warnings.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/str.h"

struct warnings {
    struct loop *main;
    void (*tell)(const char *text, void *arg);
    void *arg;
    pthread_mutex_t lock;
    char *seen[WARNINGS_MAX];
    size_t n_seen;
    uint64_t n_beyond, n_again;
};

struct told {
    struct loop_post post;
    struct warnings *warnings;
    char *text;
};

struct warnings *warnings_new(struct loop *main, void (*tell)(const char *text, void *arg),
                              void *arg)
{
    struct warnings *w = xcalloc(1, sizeof *w);

    w->main = main;
    w->tell = tell;
    w->arg = arg;
    pthread_mutex_init(&w->lock, NULL);
    return w;
}

void warnings_free(struct warnings *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; i < w->n_seen; i++)
        free(w->seen[i]);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

static void on_told(struct loop_post *post)
{
    struct told *told = container_of(post, struct told, post);

    told->warnings->tell(told->text, told->warnings->arg);
    free(told->text);
    free(told);
}

// Whether it is to be told. Under the lock.
static bool note(struct warnings *w, const char *text)
{
    for (size_t i = 0; i < w->n_seen; i++) {
        if (strcmp(w->seen[i], text) == 0) {
            w->n_again++;
            return false;
        }
    }
    if (w->n_seen == WARNINGS_MAX) {
        w->n_beyond++;
        return false;
    }
    w->seen[w->n_seen++] = xstrdup(text);
    return true;
}

void warnings_add(void *arg, const char *text)
{
    struct warnings *w = arg;

    pthread_mutex_lock(&w->lock);
    bool is_new = note(w, text);
    pthread_mutex_unlock(&w->lock);
    if (!is_new)
        return;
    struct told *told = xcalloc(1, sizeof *told);
    told->post.on_post = on_told;
    told->warnings = w;
    told->text = xstrdup(text);
    loop_post(w->main, &told->post);
}

char *warnings_rest(struct warnings *w)
{
    char *text = NULL;

    pthread_mutex_lock(&w->lock);
    if (w->n_beyond > 0)
        text = xasprintf("%" PRIu64 " more warnings, and %" PRIu64 " that were told before",
                         w->n_beyond, w->n_again);
    else if (w->n_again > 0)
        text = xasprintf("%" PRIu64 " more warnings that were told before", w->n_again);
    pthread_mutex_unlock(&w->lock);
    return text;
}
