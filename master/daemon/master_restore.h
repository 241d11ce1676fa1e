// The run that the last master left is taken up again: its state, its members, and what was
// measured in it, by replay. Loop thread.
#pragma once

#include "master/daemon/master.h"

// The calls of store_ops, with the master as arg; its cluster is there, and empty.
uint32_t master_on_saved(const struct store_saved *saved, void *arg);
void master_on_saved_window(const struct aggregate_share *shares, size_t n,
                            const struct metrics_window *w, void *arg);
// Once all of it is there: goes on, or closes a run that cannot.
void master_take_up(struct master *m);
