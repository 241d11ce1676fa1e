#include "common/http_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "common/diag.h"
#include "common/jtext.h"
#include "common/str.h"

#define BACKLOG 128

// --- Requests ---

void http_request_free(struct http_request *req)
{
    LIST_REMOVE(req, link);
    evhttp_clear_headers(&req->query);
    for (size_t i = 0; i < HTTP_ARGS_MAX; i++)
        free(req->args[i]);
    free(req->path);
    free(req->body);
    free(req);
}

const char *http_request_path(const struct http_request *req)
{
    return req->path;
}

const char *http_request_arg(const struct http_request *req, size_t i)
{
    return i < HTTP_ARGS_MAX ? req->args[i] : NULL;
}

const char *http_request_query(const struct http_request *req, const char *key)
{
    return evhttp_find_header(&req->query, key);
}

const char *http_request_header(const struct http_request *req, const char *name)
{
    return evhttp_find_header(evhttp_request_get_input_headers(req->ev), name);
}

const char *http_request_body(const struct http_request *req, size_t *ret_len)
{
    *ret_len = req->body_len;
    return req->body;
}

json_t *http_request_json(struct http_request *req)
{
    struct diag diag = {0};
    json_t *json = NULL;

    if (jtext_parse(req->body, req->body_len, &diag, &json) != 0)
        http_reply_error(req, 400, "bad-request", 2, "line %d, column %d: %s", diag.entry[0].line,
                         diag.entry[0].column, diag.entry[0].text);
    else if (!json_is_object(json)) {
        json_decref(json);
        json = NULL;
        http_reply_error(req, 400, "bad-request", 2, "line 1, column 1: expected an object");
    }
    diag_done(&diag);
    return json;
}

static int request_fd(const struct http_request *req)
{
    struct evhttp_connection *conn = evhttp_request_get_connection(req->ev);

    return bufferevent_getfd(evhttp_connection_get_bufferevent(conn));
}

static bool is_unix(int fd)
{
    struct sockaddr_storage own;
    socklen_t len = sizeof own;

    return getsockname(fd, (struct sockaddr *)&own, &len) == 0 && own.ss_family == AF_UNIX;
}

int64_t http_request_peer_uid(const struct http_request *req)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    int fd = request_fd(req);

    if (!is_unix(fd) || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return -1;
    return peer.uid;
}

// --- Routes ---

static const struct {
    enum evhttp_cmd_type cmd;
    const char *name;
} methods[] = {
    {EVHTTP_REQ_GET, "GET"},     {EVHTTP_REQ_POST, "POST"},     {EVHTTP_REQ_PUT, "PUT"},
    {EVHTTP_REQ_HEAD, "HEAD"},   {EVHTTP_REQ_DELETE, "DELETE"}, {EVHTTP_REQ_OPTIONS, "OPTIONS"},
    {EVHTTP_REQ_PATCH, "PATCH"},
};

static const char *method_name(enum evhttp_cmd_type cmd)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (methods[i].cmd == cmd)
            return methods[i].name;
    }
    return "";
}

static bool match(const char *pattern, const char *path, char *args[HTTP_ARGS_MAX])
{
    size_t n = 0;

    while (*pattern != '\0') {
        if (pattern[0] == '{' && pattern[1] == '}' && n < HTTP_ARGS_MAX) {
            size_t len = strcspn(path, "/");
            if (len == 0)
                return false;
            args[n++] = xstrndup(path, len);
            path += len;
            pattern += 2;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

static void forget_args(struct http_request *req)
{
    for (size_t i = 0; i < HTTP_ARGS_MAX; i++) {
        free(req->args[i]);
        req->args[i] = NULL;
    }
}

static void dispatch(struct http_request *req)
{
    const struct http_server_config *config = &req->server->config;
    const char *method = method_name(evhttp_request_get_command(req->ev));
    struct buf allow = {0};

    for (size_t i = 0; i < config->n_routes; i++) {
        const struct http_route *route = &config->routes[i];
        bool matched = match(route->pattern, req->path, req->args);
        if (matched && strcmp(route->method, method) == 0) {
            buf_done(&allow);
            route->on_request(req, config->arg);
            return;
        }
        forget_args(req);
        if (matched)
            buf_printf(&allow, "%s%s", allow.len > 0 ? ", " : "", route->method);
    }
    if (allow.len > 0) {
        evhttp_add_header(evhttp_request_get_output_headers(req->ev), "Allow", allow.data);
        http_reply_error(req, 405, "bad-request", -1, "the method here is %s", allow.data);
    } else {
        http_reply_error(req, 404, "not-found", -1, "nothing is at %s", req->path);
    }
    buf_done(&allow);
}

// A page of another site that made its name resolve to this host (DNS rebinding) sends that name.
static bool is_host_allowed(const char *host)
{
    struct in6_addr any;
    char name[64];
    size_t len;

    if (host == NULL)
        return false;
    if (host[0] == '[') {
        len = strcspn(++host, "]");
        if (host[len] != ']')
            return false;
    } else {
        len = strcspn(host, ":");
    }
    if (len >= sizeof name)
        return false;
    memcpy(name, host, len);
    name[len] = '\0';
    return strcasecmp(name, "localhost") == 0 || inet_pton(AF_INET, name, &any) == 1 ||
           inet_pton(AF_INET6, name, &any) == 1;
}

static void read_target(struct http_request *req)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req->ev);
    const char *path = evhttp_uri_get_path(uri);
    const char *query = evhttp_uri_get_query(uri);
    size_t len;
    char *decoded = evhttp_uridecode(path != NULL && path[0] != '\0' ? path : "/", 0, &len);

    if (decoded != NULL && strlen(decoded) == len)
        req->path = xstrdup(decoded);
    free(decoded);
    TAILQ_INIT(&req->query);
    if (query != NULL)
        evhttp_parse_query_str(query, &req->query);
}

static void on_request(struct evhttp_request *ev, void *arg)
{
    struct http_server *server = arg;
    struct http_request *req = xcalloc(1, sizeof *req);
    struct evbuffer *body = evhttp_request_get_input_buffer(ev);

    req->server = server;
    req->ev = ev;
    LIST_INSERT_HEAD(&server->requests, req, link);
    read_target(req);
    req->body_len = evbuffer_get_length(body);
    req->body = xcalloc(req->body_len + 1, 1);
    evbuffer_remove(body, req->body, req->body_len);

    if (!is_unix(request_fd(req)) && !is_host_allowed(http_request_header(req, "Host")))
        http_reply_error(req, 403, "refused", -1, "Host must be an address or localhost");
    else if (req->path == NULL)
        http_reply_error(req, 400, "bad-request", -1, "the path is not text");
    else
        dispatch(req);
}

// --- The server ---

// evhttp answers by itself what it cannot parse or is too large: seen here only, with its 400 and
// 413.
static void on_output(struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg)
{
    static const int bad[] = {400, 403, 405, 413, 501};
    struct http_server *server = arg;
    struct evbuffer_ptr begin;
    char line[13] = "";
    int status;

    if (info->n_added < sizeof line ||
        evbuffer_ptr_set(output, &begin, info->orig_size, EVBUFFER_PTR_SET) != 0 ||
        evbuffer_copyout_from(output, &begin, line, sizeof line - 1) != sizeof line - 1 ||
        sscanf(line, "HTTP/1.%*1d %3d", &status) != 1)
        return;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        server->n_bad += status == bad[i];
}

static struct bufferevent *on_connection(struct event_base *base, void *arg)
{
    struct bufferevent *bev = bufferevent_socket_new(base, -1, 0);

    if (bev != NULL)
        evbuffer_add_cb(bufferevent_get_output(bev), on_output, arg);
    return bev;
}

struct http_server *http_server_new(struct event_base *base,
                                    const struct http_server_config *config)
{
    struct http_server *server = xcalloc(1, sizeof *server);

    server->base = base;
    server->config = *config;
    LIST_INIT(&server->requests);
    LIST_INIT(&server->streams);
    server->evhttp = evhttp_new(base);
    evhttp_set_max_headers_size(server->evhttp, HTTP_HEAD_MAX);
    evhttp_set_max_body_size(server->evhttp, (ev_ssize_t)config->body_max);
    evhttp_set_timeout(server->evhttp, HTTP_IDLE_S);
    // Reads on what is too large, so that the client gets to read the 413.
    evhttp_set_flags(server->evhttp, EVHTTP_SERVER_LINGERING_CLOSE);
    evhttp_set_allowed_methods(server->evhttp, 0xffff); // the routes decide
    evhttp_set_bevcb(server->evhttp, on_connection, server);
    evhttp_set_gencb(server->evhttp, on_request, server);
    return server;
}

uint64_t http_server_n_bad(const struct http_server *server)
{
    return server->n_bad;
}

void http_server_free(struct http_server *server)
{
    if (server == NULL)
        return;
    while (!LIST_EMPTY(&server->streams))
        http_stream_abort(LIST_FIRST(&server->streams));
    while (!LIST_EMPTY(&server->requests))
        http_request_free(LIST_FIRST(&server->requests));
    evhttp_free(server->evhttp);
    if (server->unix_path != NULL)
        unlink(server->unix_path);
    free(server->unix_path);
    free(server);
}

// --- Listening ---

int http_server_listen_fd(struct http_server *server, int fd)
{
    if (evutil_make_socket_nonblocking(fd) < 0 || evutil_make_socket_closeonexec(fd) < 0 ||
        evhttp_accept_socket(server->evhttp, fd) < 0)
        return -EINVAL;
    return 0;
}

// Takes fd, also on failure.
static int bind_and_listen(struct http_server *server, int fd, const struct sockaddr *addr,
                           socklen_t len)
{
    int r = 0;

    if (bind(fd, addr, len) < 0 || listen(fd, BACKLOG) < 0)
        r = -errno;
    if (r == 0)
        r = http_server_listen_fd(server, fd);
    if (r != 0)
        close(fd);
    return r;
}

int http_server_listen_tcp(struct http_server *server, const char *address, uint16_t port,
                           uint16_t *ret_port)
{
    struct sockaddr_storage addr = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&addr;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&addr;
    socklen_t len = sizeof *v4;
    int one = 1;

    if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
    } else if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        len = sizeof *v6;
    } else {
        return -EINVAL;
    }
    int fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    int r = bind_and_listen(server, fd, (struct sockaddr *)&addr, len);
    if (r == 0 && ret_port != NULL) {
        getsockname(fd, (struct sockaddr *)&addr, &len);
        *ret_port = ntohs(addr.ss_family == AF_INET ? v4->sin_port : v6->sin6_port);
    }
    return r;
}

// 0 when nothing is there any more, or nothing was.
static int unlink_stale(const struct sockaddr_un *addr)
{
    struct stat st;
    int r = 0;

    if (lstat(addr->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode))
        return -EEXIST;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    // A listener with a full backlog answers EAGAIN, and lives.
    if (connect(fd, (const struct sockaddr *)addr, sizeof *addr) == 0 || errno == EAGAIN)
        r = -EADDRINUSE;
    else if (errno != ECONNREFUSED || unlink(addr->sun_path) < 0)
        r = -errno;
    close(fd);
    return r;
}

int http_server_listen_unix(struct http_server *server, const char *path, int mode)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof addr.sun_path)
        return -ENAMETOOLONG;
    memcpy(addr.sun_path, path, strlen(path) + 1);
    int r = unlink_stale(&addr);
    if (r != 0)
        return r;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    // bind() creates the file with the descriptor's mode less the umask: never wider than asked.
    fchmod(fd, (mode_t)mode);
    r = bind_and_listen(server, fd, (struct sockaddr *)&addr, sizeof addr);
    if (r != 0)
        return r;
    server->unix_path = xstrdup(path);
    return chmod(path, (mode_t)mode) < 0 ? -errno : 0;
}
