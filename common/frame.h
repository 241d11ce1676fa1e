// Frames of the socket between a runner and who started it, of either end: 4-byte little-endian
// length, then one protobuf message. The thread of its owner.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "common/str.h"

struct frame {
    int fd; // non-blocking, borrowed
    struct buf in, out;
    size_t in_used, out_sent;
};

// Reads what is there. 0, -EPIPE (the peer closed), -errno.
int frame_fill(struct frame *f);
// The next whole message, borrowed until the next call. 0, -EAGAIN (not here yet), -EMSGSIZE
// (longer than WIRE_FRAME_MAX).
int frame_next(struct frame *f, const uint8_t **ret_bytes, size_t *ret_len);
// Queues a message. 0 or -EMSGSIZE: it, or what waits, is beyond WIRE_FRAME_MAX.
int frame_queue(struct frame *f, const ProtobufCMessage *message);
// Writes what waits. 0: all; -EAGAIN: more when writable; -errno.
int frame_flush(struct frame *f);
void frame_done(struct frame *f);
