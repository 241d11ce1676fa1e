// What one virtual user knows and does beside sending: its variables, hooks, conditions, retries,
// captures, the resources of pages. The thread of its loop.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "worker/runner/client.h"
#include "worker/runner/program.h"

struct session;

// stream: tells virtual users of a run apart, for their random values. The client is that of the
// virtual user, and outlives its session's requests.
struct session *session_new(const struct program *program, struct client *client, uint64_t stream);
// Slots that are not over are forgotten, without on_done: after client_close.
void session_free(struct session *s); // NULL is fine

// An iteration begins: hooks, then its skipIf. False: it is skipped, nothing is to be sent.
bool session_enter(struct session *s, uint32_t series);
void session_leave(struct session *s, uint32_t series); // its hooks; not after one that was skipped

// One request slot: hooks, skipIf, attempts with captures and retries, hooks. x as for client_send,
// whose place this takes, and which it comes to where the series needs no session; else x->on_done
// comes when the slot is over, never before this returns. ok:
// the last attempt had a whole answer; also where the slot was skipped (x->is_skipped).
void session_send(struct session *s, struct exchange *x);

// Slots that wait for a retry end now, with on_done; there are no more retries.
void session_stop(struct session *s);
// Slots of this series are forgotten without on_done, and their exchanges freed: before
// client_cut.
void session_cut(struct session *s, uint32_t series);
