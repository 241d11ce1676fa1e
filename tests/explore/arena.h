// The heap of the explored world: one block, so that a whole state is saved and put back by copying
// it. The linker wraps malloc and its kin (EXPLORE_WRAP in the Makefile).
#pragma once

#include <stdbool.h>
#include <stddef.h>

// While it is on, what is allocated comes from the block.
void arena_use(bool on);
// Empty again.
void arena_reset(void);
size_t arena_used(void);
// into has room for arena_used() bytes.
void arena_save(void *into);
void arena_restore(const void *from, size_t used);
