#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "common/str.h"

#define TEXT_MAX   4096 // bytes of a message; what peers send may be in it
#define VALUE_MAX  256  // bytes of a field
#define FIELDS_MAX 6

enum sink { SINK_STDERR = 0, SINK_TERMINAL, SINK_JOURNAL, SINK_SOCKET };

static enum sink sink;
static atomic_int max_priority = LOG_INFO;
static const char *program = "lps";
static int socket_fd = -1; // SINK_SOCKET

// One line that no terminal acts upon: other bytes as \xNN.
static void add_escaped(struct buf *out, const char *text, size_t max)
{
    size_t len = strnlen(text, max + 1);
    const char *p = text, *end = text + (len > max ? max : len);

    while (p < end) {
        size_t n = str_printable(p);
        if (n > (size_t)(end - p))
            n = 0;
        if (n > 0)
            buf_append(out, p, n);
        else if (*p == '\n')
            buf_puts(out, "\\n");
        else
            buf_printf(out, "\\x%02x", (unsigned char)*p);
        p += n > 0 ? n : 1;
    }
    if (len > max)
        buf_puts(out, "...");
}

// Whether stderr is the journal's own stream: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/ and
// systemd.exec(5), JOURNAL_STREAM.
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat st;
    char own[64];

    if (stream == NULL || fstat(STDERR_FILENO, &st) < 0)
        return false;
    snprintf(own, sizeof own, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    return strcmp(stream, own) == 0;
}

static int connect_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

void log_open(const char *name, int priority)
{
    const char *path = getenv("LPS_JOURNAL_SOCKET");

    program = name;
    max_priority = priority;
    socket_fd = path != NULL ? connect_socket(path) : -1;
    if (socket_fd >= 0)
        sink = SINK_SOCKET;
    else if (stderr_is_journal())
        sink = SINK_JOURNAL;
    else
        sink = isatty(STDERR_FILENO) ? SINK_TERMINAL : SINK_STDERR;
}

void log_set_max_priority(int priority)
{
    max_priority = priority;
}

void log_close(void)
{
    if (socket_fd >= 0)
        close(socket_fd);
    socket_fd = -1;
    sink = SINK_STDERR;
}

static char *make_field(const char *name, const char *value, size_t max)
{
    struct buf field = {0};

    buf_puts(&field, name);
    buf_puts(&field, "=");
    add_escaped(&field, value, max);
    return buf_take(&field);
}

// The native protocol: a line a field, as no value has a line break.
static int send_fields(char *const *field, int n)
{
    static char newline[] = "\n";
    struct iovec part[2 * FIELDS_MAX];

    for (int i = 0; i < n; i++) {
        part[2 * i] = (struct iovec){field[i], strlen(field[i])};
        part[2 * i + 1] = (struct iovec){newline, 1};
    }
    struct msghdr message = {.msg_iov = part, .msg_iovlen = (size_t)(2 * n)};
    return sendmsg(socket_fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int send_journal(int priority, const struct log_fields *fields, const char *text)
{
    char *field[FIELDS_MAX];
    struct iovec part[FIELDS_MAX];
    char digit[2] = {(char)('0' + priority), '\0'};
    int n = 0, r;

    field[n++] = make_field("MESSAGE", text, TEXT_MAX);
    field[n++] = make_field("PRIORITY", digit, 1);
    field[n++] = make_field("SYSLOG_IDENTIFIER", program, VALUE_MAX);
    if (fields->run_id != NULL)
        field[n++] = make_field("LPS_RUN_ID", fields->run_id, VALUE_MAX);
    if (fields->node != NULL)
        field[n++] = make_field("LPS_NODE", fields->node, VALUE_MAX);
    if (fields->event != NULL)
        field[n++] = make_field("LPS_EVENT", fields->event, VALUE_MAX);
    for (int i = 0; i < n; i++)
        part[i] = (struct iovec){field[i], strlen(field[i])};
    r = sink == SINK_SOCKET ? send_fields(field, n) : sd_journal_sendv(part, n);
    for (int i = 0; i < n; i++)
        free(field[i]);
    return r;
}

static void add_field(struct buf *line, const char *name, const char *value, bool *is_first)
{
    if (value == NULL)
        return;
    buf_printf(line, "%s%s=", *is_first ? " [" : " ", name);
    add_escaped(line, value, VALUE_MAX);
    *is_first = false;
}

// One write a line, so that lines of threads and processes do not mix.
static void write_stderr(int priority, const struct log_fields *fields, const char *text)
{
    struct buf line = {0};
    bool is_first = true;

    if (sink == SINK_TERMINAL)
        buf_printf(&line, "%s: ", program);
    else
        buf_printf(&line, "<%d>", priority);
    add_escaped(&line, text, TEXT_MAX);
    if (sink != SINK_TERMINAL) {
        add_field(&line, "event", fields->event, &is_first);
        add_field(&line, "run", fields->run_id, &is_first);
        add_field(&line, "node", fields->node, &is_first);
    }
    buf_puts(&line, is_first ? "\n" : "]\n");
    for (size_t done = 0; done < line.len;) {
        ssize_t n = write(STDERR_FILENO, line.data + done, line.len - done);
        if (n < 0 && errno != EINTR)
            break;
        done += n > 0 ? (size_t)n : 0;
    }
    buf_done(&line);
}

static void log_any(int priority, const struct log_fields *fields, const char *fmt, va_list ap)
{
    int error = errno;

    if (priority > max_priority)
        return;
    char *text = xvasprintf(fmt, ap);
    bool native = sink == SINK_JOURNAL || sink == SINK_SOCKET;
    if (!native || send_journal(priority, fields, text) < 0)
        write_stderr(priority, fields, text);
    free(text);
    errno = error;
}

void log_msg(int priority, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_any(priority, &(struct log_fields){0}, fmt, ap);
    va_end(ap);
}

void log_event(int priority, const struct log_fields *fields, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_any(priority, fields, fmt, ap);
    va_end(ap);
}
