// The server of runner_test: answers well or misbehaves, by path. A thread for each connection.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct server;

// On a free port of 127.0.0.1; the paths are in the table.
struct server *server_new(bool tls);
// After all its peers have closed.
void server_free(struct server *s);
uint16_t server_port(const struct server *s);

void server_await(struct server *s, unsigned n_requests);
void server_release(struct server *s); // requests of /held are answered, now and later
// How many requests of /first had come when the first of /second did.
unsigned server_n_first_before_second(struct server *s);
