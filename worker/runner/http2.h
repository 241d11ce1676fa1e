// HTTP/2 client session: bytes in, events out, bytes to send out (RFC 9113, by nghttp2). Sans-I/O:
// no socket, no clock. The thread of its owner.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/metrics.h"
#include "worker/runner/request.h"

// Fields of one response, its interim responses before it and its trailers after it, together; a
// field counts with 32 bytes more (RFC 9113 section 6.5.2).
#define HTTP2_HEAD_MAX (64 * 1024)

struct http2;

// stream is what http2_request was given. In these, http2_request and http2_cancel may be called,
// http2_free and http2_feed not. Each stream ends in one of on_end and on_fail, and is forgotten
// then.
struct http2_ops {
    // The first bytes of an answer came, also of an interim one. Once for each stream.
    void (*on_first)(void *stream);
    // Of the answer, with on_field only where all fields were asked for; interim answers are not
    // handed out, nor trailers.
    void (*on_head)(void *stream, unsigned status);
    // Borrowed for the call; name in lower case.
    void (*on_field)(void *stream, const char *name, size_t name_len, const char *value,
                     size_t value_len);
    // n bytes of body came; borrowed for the call.
    void (*on_body)(void *stream, const char *bytes, size_t n);
    // Request bytes of a stream were given to http2_output: n in all, with frames; body of them.
    void (*on_sent)(void *stream, size_t n, size_t body);
    // The last byte of the request was given to http2_output.
    void (*on_whole)(void *stream);
    void (*on_end)(void *stream, unsigned status);
    // unprocessed: the server says that it did nothing about it (REFUSED_STREAM, GOAWAY), so it
    // may go out again on another connection. why is borrowed for the call.
    void (*on_fail)(void *stream, enum metrics_error kind, const char *why, bool unprocessed);
    // n bytes received belong to a stream, with frames; NULL: to the connection.
    void (*on_wire)(void *stream, size_t n, void *arg);
};

// What to send begins with the connection preface. ops is borrowed. NULL: no memory.
struct http2 *http2_new(const struct http2_ops *ops, void *arg);
void http2_free(struct http2 *h); // no call-back; NULL is fine

// Streams that may be opened now: the server's limit less those open; 0 once the session is over
// for new ones. Until the server's SETTINGS are here only one: it may refuse what is beyond.
uint32_t http2_room(const struct http2 *h);
// The server's SETTINGS are here.
bool http2_has_settings(const struct http2 *h);
// No stream will be opened any more: GOAWAY, a protocol error, or no stream ids left.
bool http2_is_over(const struct http2 *h);
// Needs room. request->nv and its body are borrowed until the stream ends. all_fields: hand out all
// of the answer; else only those called location and set-cookie. 0 or -ENOMEM. *ret_id names it to
// http2_cancel.
int http2_request(struct http2 *h, const struct request *request, bool all_fields, void *stream,
                  int32_t *ret_id);
// RST_STREAM; no call-back for this stream any more.
void http2_cancel(struct http2 *h, int32_t id);

// All bytes are taken. 0; -EPROTO: the session is broken, and every open stream has had its
// on_fail; the connection is to be closed after what http2_output still has. What the server does
// wrong may be seen by http2_output only: on_fail comes there too, and then http2_is_over.
int http2_feed(struct http2 *h, const char *bytes, size_t n);
// The connection is no more: every open stream has its on_fail, with the server's own reason where
// it sent GOAWAY.
void http2_end(struct http2 *h, enum metrics_error kind, const char *why);
// Bytes to be sent now, at most size of them, copied to out; 0: none.
size_t http2_output(struct http2 *h, char *out, size_t size);
