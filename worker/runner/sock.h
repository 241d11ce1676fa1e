// Reads and writes of a socket, by the system calls themselves: glibc's functions are points where
// a thread can be cancelled, which costs each request 90 instructions and which no thread here is.
#pragma once

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

// As send and recv, with -errno.
static inline ssize_t sock_send(int fd, const void *bytes, size_t n)
{
    long sent = syscall(SYS_sendto, fd, bytes, n, MSG_NOSIGNAL, NULL, 0);
    return sent < 0 ? -errno : sent;
}

static inline ssize_t sock_recv(int fd, void *buffer, size_t n)
{
    long got = syscall(SYS_recvfrom, fd, buffer, n, 0, NULL, NULL);
    return got < 0 ? -errno : got;
}

// The kernel drops up to n bytes of a TCP stream without a copy (tcp(7), MSG_TRUNC).
static inline ssize_t sock_discard(int fd, size_t n)
{
    long got = syscall(SYS_recvfrom, fd, NULL, n, MSG_TRUNC, NULL, NULL);
    return got < 0 ? -errno : got;
}
