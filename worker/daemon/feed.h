// The followers of one submission: a stream of JSON lines to each, with pings. Loop thread.
#pragma once

#include <stdbool.h>

#include "common/http.h"

struct feed;

struct feed *feed_new(struct event_base *base);
// NULL is fine. Ends the streams.
void feed_free(struct feed *f);

// Answers req with a stream that begins with the events in the list initial (taken), and ends with
// them if `ends`.
void feed_attach(struct feed *f, struct http_request *req, json_t *initial, bool ends);
// To everyone; takes event. A follower that does not read misses events, never the others.
void feed_send(struct feed *f, json_t *event);
void feed_end(struct feed *f);
