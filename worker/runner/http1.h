// HTTP/1.x response parser: bytes in, framing and status out, and what is asked for of the head and
// the body. PURE: no socket, no clock.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/metrics.h"
#include "common/str.h"

// Status line and fields of one response, its interim responses before it and its trailers after
// it, together.
#define HTTP1_HEAD_MAX (64 * 1024)

enum http1_result {
    HTTP1_MORE = 1, // all was used, the response is not over
    HTTP1_DONE,     // the response is over
    HTTP1_FAILED,   // error and why say how
};

enum http1_state {
    HTTP1_STATUS_LINE = 1,
    HTTP1_FIELDS,
    HTTP1_BODY_LENGTH, // left bytes to go
    HTTP1_BODY_CLOSE,  // until the peer closes
    HTTP1_CHUNK_SIZE,
    HTTP1_CHUNK_DATA, // left bytes to go
    HTTP1_CHUNK_END,
    HTTP1_TRAILERS,
    HTTP1_OVER,
};

struct http1;

enum http1_wants {
    HTTP1_WANTS_NOTHING = 0,
    HTTP1_WANTS_NOTED, // fields called Location and Set-Cookie, without on_head
    HTTP1_WANTS_HEAD,
    HTTP1_WANTS_ALL,
};

// What is handed out, in this order, all borrowed for the call. Interim responses and trailers are
// not.
struct http1_ops {
    enum http1_wants wants;
    void (*on_head)(struct http1 *p, unsigned status, const char *reason, size_t len);
    void (*on_field)(struct http1 *p, const char *name, size_t name_len, const char *value,
                     size_t value_len); // no blanks around the value
    void (*on_body)(struct http1 *p, const char *bytes, size_t n);
};

// What is decided where RFC 9112 leaves a choice, or servers break it:
// - A bare LF ends a line as CRLF does (2.2).
// - A folded field line is skipped, but after a field that frames the message it is PROTOCOL (5.2).
// - Transfer-Encoding and Content-Length together: the former counts, and the connection is not
//   used again (6.3).
// - A Transfer-Encoding whose last coding is not chunked: the body ends with the connection (6.3).
// - Content-Length given several times with one value is that value; otherwise PROTOCOL (6.3).
// - A blank before the colon, a line without one, a status outside 100 to 599: PROTOCOL.
// - Interim responses (1xx) are skipped; 101 is final, and its connection is not used again.
// - A head beyond HTTP1_HEAD_MAX is TOO_LARGE; a chunk size line is bounded by it as well.
struct http1 { // small, as there may be a million
    enum http1_state state : 8;
    enum metrics_error error : 8;
    uint16_t status;                    // 0 until known
    uint8_t minor;                      // of the version
    bool head_request;                  // the answer has no body
    bool chunked, has_length, te_other; // framing seen in this head
    bool says_close, says_keep_alive;
    bool framing_field : 1; // the last field line was one of those above
    bool has_noted : 1;     // a field was handed out
    uint32_t head_len;
    uint64_t left;      // see state
    uint64_t body_len;  // body bytes so far, without chunk framing
    struct buf partial; // a line whose end is not here yet
    union {
        struct http1_known *known; // borrowed, or NULL
        const char *why;           // once it has failed
    };
    const struct http1_ops *ops; // NULL: nothing is handed out
};

#define HTTP1_KNOWN_MAX 512

// The last head that came in one piece, and what it came to: where the next has the same bytes, as
// most answers of a server within a second, it need not be read again. Not a head of which
// something was handed out. Zero-initialise.
struct http1_known {
    size_t len; // 0: none
    char bytes[HTTP1_KNOWN_MAX];
    struct http1 after;
};

// Zero-initialise once, then http1_start before each response, http1_done at the end. known: of
// answers to the same request; NULL is fine. ops is borrowed; NULL: nothing is handed out.
void http1_start(struct http1 *p, bool head_request, struct http1_known *known,
                 const struct http1_ops *ops);
void http1_done(struct http1 *p);

// *ret_used <= n: on DONE the rest belongs to no response.
enum http1_result http1_feed(struct http1 *p, const char *bytes, size_t n, size_t *ret_used);
// The peer closed: DONE where that ends the body, else FAILED with CLOSED.
enum http1_result http1_end(struct http1 *p);
// How many of the next bytes are body for sure, and so need not be looked at where the body is not
// wanted: read them as http1_discarded instead of http1_feed.
uint64_t http1_discardable(const struct http1 *p);
enum http1_result http1_discarded(struct http1 *p, uint64_t n);
// After DONE: whether the connection may serve another request.
bool http1_is_reusable(const struct http1 *p);
