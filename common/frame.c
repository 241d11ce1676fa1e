#include "common/frame.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/wire.h"

#define READ_SIZE (64 * 1024)

static void compact(struct buf *b, size_t *used)
{
    if (*used == 0)
        return;
    memmove(b->data, b->data + *used, b->len - *used);
    b->len -= *used;
    *used = 0;
}

int frame_fill(struct frame *f)
{
    compact(&f->in, &f->in_used);
    // One frame at most is left over from before, so that this bounds what a peer can make us keep.
    while (f->in.len < WIRE_FRAME_MAX + 4) {
        buf_reserve(&f->in, READ_SIZE);
        ssize_t n = recv(f->fd, f->in.data + f->in.len, READ_SIZE, 0);
        if (n > 0)
            f->in.len += (size_t)n;
        else if (n == 0)
            return -EPIPE;
        else if (errno == EAGAIN)
            return 0;
        else if (errno != EINTR)
            return -errno;
    }
    return 0;
}

int frame_next(struct frame *f, const uint8_t **ret_bytes, size_t *ret_len)
{
    uint32_t len;

    if (f->in.len - f->in_used < sizeof len)
        return -EAGAIN;
    memcpy(&len, f->in.data + f->in_used, sizeof len);
    len = le32toh(len);
    if (len > WIRE_FRAME_MAX)
        return -EMSGSIZE;
    if (f->in.len - f->in_used - sizeof len < len)
        return -EAGAIN;
    *ret_bytes = (const uint8_t *)f->in.data + f->in_used + sizeof len;
    *ret_len = len;
    f->in_used += sizeof len + len;
    return 0;
}

int frame_queue(struct frame *f, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint32_t len = htole32((uint32_t)size);

    compact(&f->out, &f->out_sent);
    if (size > WIRE_FRAME_MAX || f->out.len > WIRE_FRAME_MAX)
        return -EMSGSIZE;
    buf_append(&f->out, &len, sizeof len);
    buf_reserve(&f->out, size);
    f->out.len += protobuf_c_message_pack(message, (uint8_t *)f->out.data + f->out.len);
    return 0;
}

int frame_flush(struct frame *f)
{
    while (f->out_sent < f->out.len) {
        ssize_t n = send(f->fd, f->out.data + f->out_sent, f->out.len - f->out_sent, MSG_NOSIGNAL);
        if (n >= 0)
            f->out_sent += (size_t)n;
        else if (errno != EINTR)
            return -errno;
    }
    return 0;
}

void frame_done(struct frame *f)
{
    buf_done(&f->in);
    buf_done(&f->out);
}
