// An Ethernet switch in user space between network namespaces. Each direction between two of them
// has a delay, a jitter and a loss of its own; every kernel with TAP devices can do that.
//
//     switch CONTROL_FD NAMESPACE_FD...
//
// Makes a device eth0 in each namespace; hosts are numbered from 0 in that order. Control is a
// SEQPACKET socket; each command is one message and is answered by "ok" or "bad command". The
// switch says "ok" when it has begun, and ends with the socket.
//
//     link FROM TO DELAY_US JITTER_US LOSS_PPM    frames keep their order
//     reset FROM TO                               the next TCP segment becomes a reset
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HOSTS_MAX 16
#define FRAME_MAX 2048 // without offloads no frame is larger than the MTU and its header
#define AT_ONCE   64   // frames of one host before the others have their turn
#define ETHERNET  14
#define TCP_MIN   20
#define PROTO_TCP 6
#define FLAG_RST  0x04
#define FLAG_ACK  0x10
#define MILLION   1000000

struct frame {
    STAILQ_ENTRY(frame) entry;
    int64_t due_ns;
    size_t len;
    uint8_t bytes[];
};

struct link {
    int64_t delay_us, jitter_us, last_due_ns;
    int loss_ppm;
    bool reset;
    STAILQ_HEAD(, frame) queue;
};

static struct link links[HOSTS_MAX][HOSTS_MAX];
static int tap[HOSTS_MAX], n_hosts;
static unsigned seed = 1;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

// In the namespace of fd. The last byte of its hardware address is the host's number plus 1.
static int open_tap(int namespace_fd, int host)
{
    struct ifreq request = {.ifr_name = "eth0"};
    int fd;

    if (setns(namespace_fd, CLONE_NEWNET) < 0)
        die("setns");
    fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        die("/dev/net/tun");
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (ioctl(fd, TUNSETIFF, &request) < 0)
        die("TUNSETIFF");
    request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    memcpy(request.ifr_hwaddr.sa_data, (char[]){2, 0, 0, 0, 0, (char)(host + 1)}, 6);
    if (ioctl(fd, SIOCSIFHWADDR, &request) < 0)
        die("SIOCSIFHWADDR");
    return fd;
}

// RFC 1071: the sum of 16-bit words, without the last carries.
static uint32_t sum16(uint32_t sum, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i += 2)
        sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    return sum;
}

static void put_checksum(uint8_t *at, uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    at[0] = (uint8_t)(~sum >> 8);
    at[1] = (uint8_t)~sum;
}

// False: it is no TCP segment.
static bool make_reset(uint8_t *frame, size_t *len)
{
    uint8_t *ip = frame + ETHERNET;
    size_t ip_len = (size_t)(ip[0] & 0x0f) * 4;
    uint8_t *tcp = ip + ip_len;

    if (*len < ETHERNET + ip_len + TCP_MIN || frame[12] != 8 || frame[13] != 0 ||
        ip[9] != PROTO_TCP)
        return false;
    *len = ETHERNET + ip_len + TCP_MIN;
    ip[2] = 0;
    ip[3] = (uint8_t)(ip_len + TCP_MIN);
    ip[10] = ip[11] = 0;
    put_checksum(ip + 10, sum16(0, ip, ip_len));
    tcp[12] = TCP_MIN / 4 << 4;
    tcp[13] = FLAG_RST | FLAG_ACK;
    tcp[16] = tcp[17] = 0;
    // RFC 9293 section 3.1: with the addresses, the protocol and the length.
    put_checksum(tcp + 16, sum16(sum16(PROTO_TCP + TCP_MIN, ip + 12, 8), tcp, TCP_MIN));
    return true;
}

static void enqueue(struct link *l, const uint8_t *bytes, size_t len)
{
    if (rand_r(&seed) % MILLION < l->loss_ppm)
        return;
    struct frame *f = malloc(sizeof *f + len);
    if (f == NULL)
        die("malloc");
    memcpy(f->bytes, bytes, len);
    f->len = len;
    if (l->reset && make_reset(f->bytes, &f->len))
        l->reset = false;
    int64_t delay_us = l->delay_us;
    if (l->jitter_us > 0)
        delay_us += rand_r(&seed) % (2 * l->jitter_us + 1) - l->jitter_us;
    f->due_ns = now_ns() + delay_us * 1000;
    if (f->due_ns < l->last_due_ns)
        f->due_ns = l->last_due_ns;
    l->last_due_ns = f->due_ns;
    STAILQ_INSERT_TAIL(&l->queue, f, entry);
}

static void take_frames(int from)
{
    uint8_t bytes[FRAME_MAX];
    ssize_t len;

    for (int i = 0; i < AT_ONCE && (len = read(tap[from], bytes, sizeof bytes)) > 0; i++) {
        bool is_for_all = bytes[0] & 1;
        for (int to = 0; to < n_hosts; to++)
            if (to != from && (is_for_all || bytes[5] == to + 1))
                enqueue(&links[from][to], bytes, (size_t)len);
    }
}

// Sends what is due; the time until more is, or -1.
static int64_t send_due(void)
{
    int64_t next_ns = INT64_MAX, now = now_ns();

    for (int from = 0; from < n_hosts; from++) {
        for (int to = 0; to < n_hosts; to++) {
            struct link *l = &links[from][to];
            struct frame *f;
            while ((f = STAILQ_FIRST(&l->queue)) != NULL && f->due_ns <= now) {
                if (write(tap[to], f->bytes, f->len) < 0 && errno != EAGAIN && errno != EIO)
                    die("write"); // EIO: the device is not up yet
                STAILQ_REMOVE_HEAD(&l->queue, entry);
                free(f);
            }
            if (f != NULL && f->due_ns < next_ns)
                next_ns = f->due_ns;
        }
    }
    return next_ns == INT64_MAX ? -1 : next_ns - now;
}

static bool is_pair(int from, int to)
{
    return from >= 0 && from < n_hosts && to >= 0 && to < n_hosts && from != to;
}

static bool do_command(const char *text)
{
    int from, to, loss_ppm;
    long delay_us, jitter_us;

    if (sscanf(text, "link %d %d %ld %ld %d", &from, &to, &delay_us, &jitter_us, &loss_ppm) == 5) {
        if (!is_pair(from, to) || jitter_us < 0 || delay_us < jitter_us)
            return false;
        links[from][to].delay_us = delay_us;
        links[from][to].jitter_us = jitter_us;
        links[from][to].loss_ppm = loss_ppm;
        return true;
    }
    if (sscanf(text, "reset %d %d", &from, &to) != 2 || !is_pair(from, to))
        return false;
    links[from][to].reset = true;
    return true;
}

static void answer(int control, const char *text)
{
    if (send(control, text, strlen(text), MSG_NOSIGNAL) < 0)
        exit(0);
}

static void take_command(int control)
{
    char text[128];
    ssize_t len = recv(control, text, sizeof text - 1, 0);

    if (len <= 0)
        exit(0);
    text[len] = '\0';
    answer(control, do_command(text) ? "ok" : "bad command");
}

int main(int argc, char **argv)
{
    struct pollfd fds[HOSTS_MAX + 1];

    if (argc < 3 || argc - 2 > HOSTS_MAX) {
        fprintf(stderr, "usage: switch CONTROL_FD NAMESPACE_FD...\n");
        return 2;
    }
    int control = atoi(argv[1]);
    n_hosts = argc - 2;
    for (int i = 0; i < n_hosts; i++) {
        tap[i] = open_tap(atoi(argv[i + 2]), i);
        close(atoi(argv[i + 2])); // the namespace goes with its last process
        fds[i] = (struct pollfd){.fd = tap[i], .events = POLLIN};
        for (int j = 0; j < n_hosts; j++)
            STAILQ_INIT(&links[i][j].queue);
    }
    fds[n_hosts] = (struct pollfd){.fd = control, .events = POLLIN};
    answer(control, "ok");
    for (;;) {
        int64_t wait_ns = send_due();
        struct timespec wait = {wait_ns / 1000000000, wait_ns % 1000000000};
        if (ppoll(fds, (nfds_t)n_hosts + 1, wait_ns < 0 ? NULL : &wait, NULL) < 0)
            die("ppoll");
        for (int i = 0; i < n_hosts; i++)
            if (fds[i].revents != 0)
                take_frames(i);
        if (fds[n_hosts].revents != 0)
            take_command(control);
    }
}
