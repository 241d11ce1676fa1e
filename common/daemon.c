#include "common/daemon.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "common/clock.h"
#include "common/str.h"

struct daemon {
    void (*on_stop)(void *arg);
    void (*on_reload)(void *arg);
    void *arg;
    struct event *term, *intr, *hup, *watchdog;
    bool stopping;
};

static void on_term(evutil_socket_t sig, short what, void *arg)
{
    struct daemon *d = arg;

    (void)what;
    if (d->stopping)
        _exit(128 + (int)sig);
    d->stopping = true;
    d->on_stop(d->arg);
}

// Type=notify-reload wants the instant (sd_notify(3)); older systemd ignores it.
static void on_hup(evutil_socket_t sig, short what, void *arg)
{
    struct daemon *d = arg;

    (void)sig;
    (void)what;
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)(clock_now().ns / NS_PER_US));
    d->on_reload(d->arg);
    sd_notify(0, "READY=1");
}

static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    sd_notify(0, "WATCHDOG=1");
}

struct daemon *daemon_new(struct event_base *base, void (*on_stop)(void *arg),
                          void (*on_reload)(void *arg), void *arg)
{
    struct daemon *d = xcalloc(1, sizeof *d);
    uint64_t watchdog_us;

    *d = (struct daemon){.on_stop = on_stop, .on_reload = on_reload, .arg = arg};
    signal(SIGPIPE, SIG_IGN);
    d->term = evsignal_new(base, SIGTERM, on_term, d);
    d->intr = evsignal_new(base, SIGINT, on_term, d);
    d->hup = evsignal_new(base, SIGHUP, on_hup, d);
    evsignal_add(d->term, NULL);
    evsignal_add(d->intr, NULL);
    evsignal_add(d->hup, NULL);
    if (sd_watchdog_enabled(0, &watchdog_us) > 0) {
        uint64_t half = watchdog_us / 2;
        struct timeval period = {(time_t)(half / 1000000), (suseconds_t)(half % 1000000)};
        d->watchdog = event_new(base, -1, EV_PERSIST, on_watchdog, d);
        event_add(d->watchdog, &period);
    }
    return d;
}

void daemon_free(struct daemon *d)
{
    if (d == NULL)
        return;
    event_free(d->term);
    event_free(d->intr);
    event_free(d->hup);
    if (d->watchdog != NULL)
        event_free(d->watchdog);
    free(d);
}

void daemon_ready(struct daemon *d)
{
    (void)d;
    sd_notify(0, "READY=1");
}

void daemon_status(struct daemon *d, const char *fmt, ...)
{
    va_list ap;

    (void)d;
    va_start(ap, fmt);
    char *text = xvasprintf(fmt, ap);
    va_end(ap);
    sd_notifyf(0, "STATUS=%s", text);
    free(text);
}

void daemon_stopping(struct daemon *d)
{
    (void)d;
    sd_notify(0, "STOPPING=1");
}

int daemon_listen_fd(const char *name)
{
    char **names = NULL;
    int n = sd_listen_fds_with_names(0, &names), fd = -1;

    for (int i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0)
            fd = SD_LISTEN_FDS_START + i;
        free(names[i]);
    }
    free(names);
    return fd;
}
