#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int read_all(int fd, size_t max, struct buf *out)
{
    char chunk[65536];
    size_t total = 0;
    ssize_t n;

    while ((n = read(fd, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n < 0)
            continue;
        total += (size_t)n;
        if (total > max)
            return -EFBIG;
        buf_append(out, chunk, (size_t)n);
    }
    return 0;
}

int file_read(const char *path, int flags, size_t max, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | flags);

    if (fd < 0)
        return -errno;
    int r = read_all(fd, max, out);
    close(fd);
    return r;
}
