// Parts of the target server. Everything of a connection lives on the thread of its loop; counters
// are atomic.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>

#define IN_MAX       (64 << 10)          // one recv; the head of a request must fit
#define OUT_MAX      ((1 << 20) + 65536) // one answer of heads alone, behind a batch of small ones
#define OUT_BATCH    (48 << 10)          // what is answered before it is sent
#define INLINE_MAX   (16 << 10)          // a body that goes out with its head
#define HEAD_KEPT    2048                // a request that is known by its bytes
#define PATHS_MAX    256
#define TARGET_MAX   256
#define JSON_MAX     (PATHS_MAX * (TARGET_MAX + 32)) // what /count says
#define TURNS_MAX    32 // reads or writes of one connection before the others have theirs
#define BLOCK_MAX    (256 << 10)
#define HEADERS_MAX  20000
#define INTERIM_MAX  20000
#define CHUNK        1000
#define CHUNK_FRAMED (CHUNK + 7) // "3e8\r\n", and "\r\n" behind it

struct conn;
struct loop;

// --- What is counted (target_stat.c) ---

struct path {
    char text[TARGET_MAX];
    atomic_uint_fast64_t n;
};

enum counter {
    COUNT_CONNECTIONS,
    COUNT_HANDSHAKES,
    COUNT_RESUMPTIONS,
    COUNT_CERTIFICATES,
    COUNT_HTTP1,
    COUNT_HTTP2,
    COUNT_REQUEST_BYTES, // HTTP/1: heads and bodies; HTTP/2: HEADERS and DATA frames, framing
                         // included
    COUNT_BODY_BYTES,
    COUNT_FLAKY, // requests of /flaky that a close was the answer to
    COUNT_FLAKY_RESET,
    COUNT_PROXIED,
    COUNT_TUNNELS,
    COUNT__N
};

struct arrival {
    struct path *path; // NULL: /count, which leaves no trace
    uint64_t bytes, body_bytes;
    uint64_t entry; // of the log
    bool http2;
};

void stat_open(const char *arrivals, uint64_t capacity, bool with_answers);
// Any thread. The same text gives the same path; the last one takes what is too much.
struct path *stat_path(const char *text);
uint64_t stat_add(enum counter counter, uint64_t n); // the sum
void stat_subject(const char *cn);
// A whole request is in; how many of its path came before.
uint64_t stat_arrived(struct loop *l, struct arrival *arrival, uint64_t connection);
// Its answer begins to go out.
void stat_answered(const struct arrival *arrival);
// JSON; its length, at most size.
size_t stat_json(char *out, size_t size);

// --- What is answered (target_reply.c) ---

enum shape {
    SHAPE_FILL,
    SHAPE_COUNT,
    SHAPE_CHUNKS,
    SHAPE_TRAILERS, // chunks and trailers
    SHAPE_DRIP,     // body bytes, one every 100 ms
    SHAPE_HEADERS,  // header lines without an end
    SHAPE_RAW,      // HTTP/1 only: bytes as they are
    SHAPE_GARBAGE,
    SHAPE_NOTHING
};

enum ending {
    END_KEEP,
    END_CLOSE, // HTTP/2: GOAWAY
    END_SHORT, // HTTP/1: closes; HTTP/2: only the stream ends
    END_RESET, // TCP RST; HTTP/2: RST_STREAM
    END_DROP   // closes; HTTP/2: GOAWAY which disowns the request
};

struct reply {
    int status;
    enum shape shape;
    enum ending ending;
    uint64_t body, sent; // bytes promised, and how many of them come
    uint32_t n_headers, n_interim;
    int64_t delay_ns;
    const char *raw;
    bool fixed; // the same for each such request
};

// served: requests of the connection before; nth: of the path before. May stall the loop.
struct reply reply_to(const char *target, uint64_t served, uint64_t nth);
bool reply_is_bodiless(const struct reply *r);

// Blocks that bodies are made of: 'x', whole chunks, header lines.
extern char block_fill[BLOCK_MAX], block_chunks[CHUNK_FRAMED * 256], block_headers[32 * 1024];
void reply_blocks(void);

// --- Waiting (target_loop.c) ---

struct wait {
    int64_t due_ns;
    size_t at; // in the heap, from 1; 0: not waiting
    void (*on_due)(struct wait *w);
};

void wait_start(struct loop *l, struct wait *w, int64_t delay_ns, void (*on_due)(struct wait *w));
void wait_stop(struct loop *l, struct wait *w);

// --- Loops (target_loop.c) ---

struct source {
    void (*on_event)(struct loop *l, struct source *s, uint32_t events);
};

struct request {
    char target[TARGET_MAX];
    struct arrival arrival;
    uint64_t body_left;
    bool is_head, closes, http10, connects, proxied;
};

TAILQ_HEAD(conn_list, conn);

struct loop {
    int epoll;
    struct listener {
        struct source source;
        int fd;
        bool secure;
    } plain, secure;
    struct wait **heap; // by due_ns, from 1
    size_t n_heap, heap_cap;
    struct conn_list ready, dead; // to run once more; to free after the pass
    size_t n_ready;
    int64_t now_ns;               // of the last recv
    SLIST_HEAD(, stream) streams; // unused ones

    // Of the connection that runs.
    char in[IN_MAX + 1], out[OUT_MAX];
    size_t in_off, in_len, out_len;

    // The last head, and what it says.
    char known_head[HEAD_KEPT];
    size_t known_head_len;
    struct request known;
    // The last answer that never changes, and whose it is.
    char known_out[INLINE_MAX + 1024];
    size_t known_out_len;
    uint64_t known_tail;
    const struct path *known_path;
};

struct options {
    const char *host, *arrivals, *cert, *key, *alpn;
    uint16_t port, tls_port;
    uint64_t n_threads, arrivals_max, n_streams;
    bool proxy, client_certificate, answers;
};

extern struct options options;

void loop_open(struct loop *l);
void *loop_run(void *loop);
// Sleeps while the target is to be stalled.
void loop_stall(void);
void stall_plan(int64_t after_ns, int64_t for_ns); // from the first request
void stall_begin(int64_t for_ns);                  // from now
void stall_first_request(int64_t now_ns);
void die(const char *what) __attribute__((noreturn));

// --- Connections (target_conn.c) ---

enum protocol { PROTO_UNKNOWN, PROTO_HTTP1, PROTO_HTTP2, PROTO_TUNNEL };

struct conn {
    struct source source;
    struct loop *loop;
    int fd;          // -1: closed, in the loop's dead
    uint64_t number; // of all connections, from 1
    enum protocol protocol;
    SSL *ssl; // NULL: plain
    bool handshaken, readable, writable, hung_up, drained;
    bool in_ready;
    TAILQ_ENTRY(conn) link; // ready or dead

    // What could not be used at once: bytes from the peer, and bytes to it.
    char *rest, *held;
    size_t rest_len, held_len, held_off;
    const char *tail; // after held: a block, over and over
    size_t tail_size, tail_off;
    uint64_t tail_left;
    enum ending ending; // once all is out; END_KEEP: goes on
    uint64_t served;

    // HTTP/1
    struct wait wait; // for the answer, or for more of it
    struct request request;
    struct reply reply;
    bool in_body, is_answering;
    bool is_delayed, is_chunked; // the answer is still to come, or its last chunk
    uint32_t drip_left;

    // HTTP/2
    nghttp2_session *h2;
    LIST_HEAD(, stream) streams;
    struct path *last_path;
    int32_t answered_max; // the highest stream that was answered
    int32_t endless;      // the stream that gets header lines without an end
    bool endless_begun;
    const char *garbage; // to be sent at last

    // Tunnel
    struct conn *peer;
    bool is_connecting;
};

struct conn *conn_new(struct loop *l, int fd, bool secure);
void conn_close(struct conn *c, bool reset);
// Runs it once more, in this pass of the loop or the next.
void conn_later(struct conn *c);
void conn_run_ready(struct loop *l);
void conn_run(struct conn *c);
// More into loop->in, behind what is there: > 0: bytes; 0: later; < 0: gone.
ssize_t conn_recv(struct conn *c);
// loop->out and all that is behind it: 1: all is out; 0: later, the rest is held; -1: gone.
int conn_flush(struct conn *c);

// --- Protocols ---
// Each runs a connection until it can do no more: true; false: it is to be closed.

bool http1_run(struct conn *c);
bool http2_run(struct conn *c);
void http2_init(void);
void http2_open(struct conn *c);
void http2_close(struct conn *c);
bool tunnel_run(struct conn *c);
// CONNECT to a loopback address: c is a tunnel then. false: it is no such.
bool tunnel_open(struct conn *c, const char *authority);

// --- TLS (target_tls.c) ---

void tls_open(void);
SSL *tls_new(struct conn *c);
// As read and write of a conn: > 0: bytes; 0: later; < 0: gone. The handshake is part of it.
ssize_t tls_recv(struct conn *c, char *into, size_t size);
ssize_t tls_send(struct conn *c, const char *from, size_t size);
