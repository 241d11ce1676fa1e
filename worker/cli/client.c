#include "worker/cli/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <curl/curl.h>

#include "common/clock.h"
#include "common/str.h"

struct client {
    char *socket_path;
    char *error; // NULL: none
    // of the call that goes on
    CURL *curl;
    struct buf body; // so far; when following: of the line that goes on
    const struct client_ops *ops;
    void *arg;
    bool stopped; // by on_event
    struct mono last_byte;
};

struct client *client_new(const char *socket_path)
{
    struct client *c = xcalloc(1, sizeof(*c));

    c->socket_path = xstrdup(socket_path);
    return c;
}

void client_free(struct client *c)
{
    if (c == NULL)
        return;
    buf_done(&c->body);
    free(c->error);
    free(c->socket_path);
    free(c);
}

const char *client_error(const struct client *c)
{
    return c->error;
}

static int fail(struct client *c, int error, char *text)
{
    free(c->error);
    c->error = text;
    return error;
}

static int explain(struct client *c, CURLcode code)
{
    long os_errno = 0;

    if (code == CURLE_COULDNT_CONNECT)
        curl_easy_getinfo(c->curl, CURLINFO_OS_ERRNO, &os_errno);
    if (os_errno == EACCES || os_errno == EPERM)
        return fail(c, -EACCES,
                    xasprintf("no permission for %s: only group lps may use it (sudo usermod -aG "
                              "lps $USER, then log in again)",
                              c->socket_path));
    if (code == CURLE_COULDNT_CONNECT)
        return fail(c, -ECONNREFUSED,
                    xasprintf("lps-workerd does not answer at %s: %s (sudo systemctl start "
                              "lps-workerd; without a daemon: lps --local)",
                              c->socket_path, os_errno ? strerror((int)os_errno) : "no socket"));
    if (code == CURLE_OPERATION_TIMEDOUT)
        return fail(c, -ETIMEDOUT,
                    xasprintf("lps-workerd at %s has not answered within %d s", c->socket_path,
                              CLIENT_CALL_S));
    if (code == CURLE_PARTIAL_FILE || code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR)
        return fail(c, -EPIPE,
                    xasprintf("lost lps-workerd at %s: it closed the connection (journalctl -u "
                              "lps-workerd may say why)",
                              c->socket_path));
    return fail(c, -EIO,
                xasprintf("lost lps-workerd at %s: %s", c->socket_path, curl_easy_strerror(code)));
}

static bool take_line(struct client *c, const char *line, size_t len)
{
    json_t *event = json_loadb(line, len, 0, NULL);

    // A line that is no JSON comes from no daemon of ours; what follows may be.
    if (event == NULL)
        return true;
    bool go_on = c->ops->on_event(event, c->arg);
    json_decref(event);
    return go_on;
}

// The lines that are complete, out of c->body; its first n_seen bytes have no line's end.
static void take_lines(struct client *c, size_t n_seen)
{
    size_t at = 0;
    char *end;

    while (!c->stopped &&
           (end = memchr(c->body.data + n_seen, '\n', c->body.len - n_seen)) != NULL) {
        size_t len = (size_t)(end - c->body.data) - at;
        c->stopped = !take_line(c, c->body.data + at, len);
        at += len + 1;
        n_seen = at;
    }
    memmove(c->body.data, c->body.data + at, c->body.len - at);
    c->body.len -= at;
}

static size_t on_bytes(char *bytes, size_t size, size_t n, void *arg)
{
    struct client *c = arg;
    size_t n_seen = c->body.len;
    long status = 0;

    if (c->stopped || c->body.len + size * n > CLIENT_BODY_MAX)
        return 0;
    c->last_byte = clock_now();
    buf_append(&c->body, bytes, size * n);
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    if (c->ops != NULL && status == 200)
        take_lines(c, n_seen);
    return size * n;
}

// 0, or -errno with c->error. Then end_call.
static int begin_call(struct client *c, const char *path)
{
    if (strlen(c->socket_path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return fail(c, -ENAMETOOLONG,
                    xasprintf("%s: too long for a socket, at most %zu bytes", c->socket_path,
                              sizeof(((struct sockaddr_un *)0)->sun_path) - 1));
    c->curl = curl_easy_init();
    if (c->curl == NULL)
        return fail(c, -ENOMEM, xstrdup("libcurl cannot be initialised"));
    char *url = xasprintf("http://localhost%s", path);
    curl_easy_setopt(c->curl, CURLOPT_URL, url);
    free(url);
    curl_easy_setopt(c->curl, CURLOPT_UNIX_SOCKET_PATH, c->socket_path);
    curl_easy_setopt(c->curl, CURLOPT_PROXY, "");
    curl_easy_setopt(c->curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
    c->last_byte = clock_now();
    c->stopped = false;
    return 0;
}

static void end_call(struct client *c)
{
    curl_easy_cleanup(c->curl);
    c->curl = NULL;
    c->ops = NULL;
    buf_done(&c->body);
}

int client_call(struct client *c, const char *method, const char *path, const json_t *body,
                struct client_reply *ret_reply)
{
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    struct curl_slist *headers = NULL;

    int r = begin_call(c, path);
    if (r < 0)
        goto out;
    curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, (long)CLIENT_CALL_S);
    if (strcmp(method, "POST") == 0) {
        headers = curl_slist_append(headers, "Content-Type: application/json");
        headers = curl_slist_append(headers, "Expect:"); // no round trip before a large body
        curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE, text ? (long)strlen(text) : 0L);
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, text ? text : "");
    }
    CURLcode code = curl_easy_perform(c->curl);
    if (code != CURLE_OK) {
        r = explain(c, code);
    } else {
        curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &ret_reply->status);
        ret_reply->json = json_loadb(c->body.data ? c->body.data : "", c->body.len, 0, NULL);
    }
out:
    end_call(c);
    curl_slist_free_all(headers);
    free(text);
    return r;
}

static CURLcode transfer_result(CURLM *multi)
{
    int n_left;
    const CURLMsg *msg = curl_multi_info_read(multi, &n_left);

    return msg != NULL && msg->msg == CURLMSG_DONE ? msg->data.result : CURLE_RECV_ERROR;
}

static int follow(struct client *c, CURLM *multi, int signal_fd, const struct client_ops *ops,
                  void *arg)
{
    struct curl_waitfd signals = {.fd = signal_fd, .events = CURL_WAIT_POLLIN};
    int n_running = 1;
    long status = 0;

    while (true) {
        curl_multi_perform(multi, &n_running);
        if (c->stopped)
            return 0;
        if (n_running == 0)
            break;
        if (clock_now().ns - c->last_byte.ns > CLIENT_SILENCE_S * NS_PER_S)
            return explain(c, CURLE_OPERATION_TIMEDOUT);
        signals.revents = 0;
        curl_multi_poll(multi, &signals, 1, 1000, NULL);
        if (signals.revents != 0)
            ops->on_signal(arg);
    }
    CURLcode code = transfer_result(multi);
    if (code != CURLE_OK)
        return explain(c, code);
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200)
        return fail(c, -EPROTO, xasprintf("lps-workerd answered with status %ld", status));
    return 0;
}

int client_follow(struct client *c, const char *path, int signal_fd, const struct client_ops *ops,
                  void *arg)
{
    CURLM *multi = curl_multi_init();

    int r = begin_call(c, path);
    if (r == 0) {
        c->ops = ops;
        c->arg = arg;
        curl_multi_add_handle(multi, c->curl);
        r = follow(c, multi, signal_fd, ops, arg);
        curl_multi_remove_handle(multi, c->curl);
    }
    end_call(c);
    curl_multi_cleanup(multi);
    return r;
}
