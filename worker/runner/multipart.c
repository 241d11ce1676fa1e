#include "worker/runner/multipart.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/mime.h"

static bool has(const struct multipart_part *parts, size_t n_parts, const char *text)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < n_parts; i++)
        if (parts[i].len >= len && memmem(parts[i].content, parts[i].len, text, len) != NULL)
            return true;
    return false;
}

void multipart_boundary(const struct multipart_part *parts, size_t n_parts, uint64_t seed,
                        char ret_boundary[MULTIPART_BOUNDARY_SIZE])
{
    // Ends: the parts have fewer texts of this length in them than there are seeds.
    do {
        snprintf(ret_boundary, MULTIPART_BOUNDARY_SIZE, "form-%016" PRIx64, seed++);
    } while (has(parts, n_parts, ret_boundary));
}

// As browsers write a name between quotes (HTML, section "multipart form data").
static void append_name(struct buf *out, const char *name)
{
    for (; *name != '\0'; name++) {
        if (*name == '"' || *name == '\r' || *name == '\n')
            buf_printf(out, "%%%02X", *name);
        else
            buf_append(out, name, 1);
    }
}

static void append_type(struct buf *out, const struct multipart_part *part)
{
    const char *type = part->content_type;

    if (type == NULL)
        type = part->is_file ? mime_type(part->path) : "text/plain";
    buf_puts(out, "Content-Type: ");
    // A line break would begin another header.
    buf_append(out, type, strcspn(type, "\r\n"));
    if (!part->is_file && strncasecmp(type, "text/", 5) == 0 &&
        strcasestr(type, "charset=") == NULL)
        buf_puts(out, "; charset=utf-8");
    buf_puts(out, "\r\n");
}

static void append_part(struct buf *out, const struct multipart_part *part, const char *boundary)
{
    buf_printf(out, "--%s\r\nContent-Disposition: form-data; name=\"", boundary);
    append_name(out, part->name);
    if (part->is_file) {
        buf_puts(out, "\"; filename=\"");
        append_name(out, part->name);
    }
    buf_puts(out, "\"\r\n");
    append_type(out, part);
    buf_puts(out, "\r\n");
    buf_append(out, part->content, part->len);
    buf_puts(out, "\r\n");
}

void multipart_append(const struct multipart_part *parts, size_t n_parts, const char *boundary,
                      struct buf *out)
{
    for (int files = 0; files <= 1; files++)
        for (size_t i = 0; i < n_parts; i++)
            if (parts[i].is_file == (files == 1))
                append_part(out, &parts[i], boundary);
    buf_printf(out, "--%s--\r\n", boundary);
}
