// Doubly linked rings: a head and its elements, embedded in what they link. PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

// A zeroed element is in no list; a head is never.
struct list {
    struct list *prev, *next;
};

static inline void list_init(struct list *head)
{
    head->prev = head->next = head;
}

static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_append(struct list *head, struct list *element)
{
    *element = (struct list){head->prev, head};
    head->prev->next = element;
    head->prev = element;
}

static inline void list_prepend(struct list *head, struct list *element)
{
    *element = (struct list){head, head->next};
    head->next->prev = element;
    head->next = element;
}

// In no list is fine.
static inline void list_remove(struct list *element)
{
    if (element->next == NULL)
        return;
    element->prev->next = element->next;
    element->next->prev = element->prev;
    *element = (struct list){NULL, NULL};
}
