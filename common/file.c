#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

static int write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            text += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

int file_create(const char *path, mode_t mode, const char *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

    if (fd < 0)
        return -errno;
    int r = write_all(fd, bytes, len);
    if (close(fd) < 0 && r == 0)
        r = -errno;
    return r;
}

int file_replace(const char *path, const char *text, mode_t mode)
{
    struct stat st;
    char *real = realpath(path, NULL);
    const char *target = real != NULL ? real : path;
    char *temporary = xasprintf("%s.XXXXXX", target);
    bool exists = stat(target, &st) == 0;

    int fd = mkostemp(temporary, O_CLOEXEC);
    int r = fd < 0 ? -errno : 0;
    if (r == 0 && exists && fchown(fd, st.st_uid, st.st_gid) < 0)
        r = -errno;
    if (r == 0 && fchmod(fd, exists ? st.st_mode & 07777 : mode) < 0)
        r = -errno;
    if (r == 0)
        r = write_all(fd, text, strlen(text));
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (fd >= 0)
        close(fd);
    if (r == 0 && rename(temporary, target) < 0)
        r = -errno;
    if (r < 0 && fd >= 0)
        unlink(temporary);
    free(temporary);
    free(real);
    return r;
}
