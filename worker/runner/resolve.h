// Host names to addresses, by a helper thread, so that no loop waits for the system's resolver.
// Any thread; answers come on the asking loop.
#pragma once

#include <netinet/in.h>
#include <stdint.h>

#include "worker/runner/loop.h"

#define RESOLVE_ADDRESSES_MAX 16

union resolve_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

// n = 0: why says what is wrong.
struct resolve_answer {
    uint32_t n;
    union resolve_address address[RESOLVE_ADDRESSES_MAX]; // port 0
    char why[128];
};

struct resolve;

// One question; the asker's, untouched by it from resolve_ask until post.on_post.
struct resolve_query {
    struct loop_post post;
    struct loop *loop;
    const char *host; // copied
    struct resolve_answer answer;
    struct resolve_query *next; // private
};

struct resolve *resolve_new(void); // NULL: no thread could be started
// No answer comes after. A look-up that hangs is left behind, and cleans up after itself.
void resolve_close(struct resolve *r);
void resolve_ask(struct resolve *r, struct resolve_query *query);
// Answers a literal address at once; false: it is a name.
bool resolve_literal(const char *host, struct resolve_answer *ret_answer);
