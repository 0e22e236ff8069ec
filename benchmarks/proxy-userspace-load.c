// Load for benchmarks/proxy-userspace: one thread, epoll, plain TCP.
//
//   load serve ADDRESS...                     on each: port 9001 echoes, 9002 sends zeros for ever, 9003 sends as
//                                             many as each four bytes of a request say
//   load latency ADDRESS PORT SECONDS         one connection after the other: connect to first byte, p50 and p99 in us
//   load connect ADDRESS PORT SECONDS PARALLEL SOURCES   connect, one byte and back, close: connections per second
//   load request ADDRESS PORT SECONDS PARALLEL BYTES     requests and answers of that size: per second, p50 and p99
//   load fetch ADDRESS PORT SECONDS PARALLEL BYTES       the same with requests of four bytes and answers of that size
//   load bulk ADDRESS PORT SECONDS PARALLEL   reads what comes: Gbit/s
//   load idle ADDRESS PORT COUNT SOURCES      opens that many, says `open`, and keeps them until its input ends
//
// SOURCES: connections come from that many addresses (those of the link, counted up), so that ports last.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LIMIT = 65536, CHUNK = 256 << 10 };
static char buffer[2 * CHUNK];
static struct sockaddr_in target;
static int epoll_fd, sources = 1;
static double *samples;
static size_t sample_count, sample_limit;

static void fail(const char *what) {
    fprintf(stderr, "load: cannot %s: %s\n", what, strerror(errno));
    exit(1);
}
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}
static void set(int fd, int level, int name, int value) { setsockopt(fd, level, name, &value, sizeof value); }
static void sample(double seconds) {
    if (sample_count == sample_limit) {
        sample_limit = sample_limit ? sample_limit * 2 : 65536;
        samples = realloc(samples, sample_limit * sizeof *samples);
        if (!samples) fail("allocate");
    }
    samples[sample_count++] = seconds * 1e6;
}
static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
static double percentile(double share) {
    if (!sample_count) return 0;
    qsort(samples, sample_count, sizeof *samples, by_size);
    return samples[(size_t)(share * (sample_count - 1))];
}

static int dial(void) {
    static unsigned turn;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("open a socket");
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (sources > 1) {
        struct sockaddr_in source = {.sin_family = AF_INET};
        // 10.91.0.10 and up: addresses that the benchmark gives its client.
        source.sin_addr.s_addr = htonl(0x0a5b000a + turn++ % sources);
        set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
        if (bind(fd, (struct sockaddr *)&source, sizeof source) < 0) fail("bind");
    }
    if (connect(fd, (struct sockaddr *)&target, sizeof target) < 0) fail("connect");
    return fd;
}
static void watch(int fd, uint32_t events, uint64_t data) {
    struct epoll_event event = {.events = events, .data.u64 = data};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) fail("watch");
}

// --- the server
static _Noreturn void serve(int count, char **addresses) {
    enum { ECHO, SOURCE, ANSWER, LISTEN };
    static long wanted[LIMIT];
    for (int i = 0; i < count; i++) {
        for (int kind = ECHO; kind <= ANSWER; kind++) {
            int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
            struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons(9001 + kind)};
            inet_pton(AF_INET, addresses[i], &place.sin_addr);
            set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
            set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
            if (bind(fd, (struct sockaddr *)&place, sizeof place) < 0 || listen(fd, 4096) < 0) fail("listen");
            watch(fd, EPOLLIN, (uint64_t)fd | (uint64_t)LISTEN << 32 | (uint64_t)kind << 40);
        }
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct epoll_event events[256];
        int ready = epoll_wait(epoll_fd, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            int fd = (int)events[i].data.u64, kind = events[i].data.u64 >> 32 & 0xff;
            if (kind == LISTEN) {
                int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
                if (accepted < 0) continue;
                kind = events[i].data.u64 >> 40 & 0xff;
                wanted[accepted] = 0;
                watch(accepted, kind == ECHO ? EPOLLIN : kind == SOURCE ? EPOLLIN | EPOLLOUT : EPOLLIN | EPOLLOUT | EPOLLET,
                      (uint64_t)accepted | (uint64_t)kind << 32);
                continue;
            }
            if (kind == ANSWER) {
                uint32_t more;
                ssize_t got;
                while ((got = recv(fd, &more, 4, MSG_DONTWAIT)) == 4) wanted[fd] += ntohl(more);
                if (got == 0 || (got < 0 && errno != EAGAIN)) {
                    close(fd);
                    continue;
                }
                while (wanted[fd] > 0) {
                    ssize_t put = send(fd, buffer, wanted[fd] < CHUNK ? wanted[fd] : CHUNK, MSG_DONTWAIT | MSG_NOSIGNAL);
                    if (put < 0) break;
                    wanted[fd] -= put;
                }
                continue;
            }
            if (events[i].events & EPOLLOUT && send(fd, buffer, CHUNK, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
                errno != EAGAIN) {
                close(fd);
                continue;
            }
            if (!(events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))) continue;
            ssize_t got = recv(fd, buffer, CHUNK, MSG_DONTWAIT);
            if (got == 0 || (got < 0 && errno != EAGAIN)) close(fd);
            else if (got > 0 && kind == ECHO) send(fd, buffer, got, MSG_NOSIGNAL);
        }
    }
}

// --- clients
static void latency(double seconds) {
    for (double end = now() + seconds; now() < end;) {
        double start = now();
        int fd = dial();
        if (send(fd, "x", 1, MSG_NOSIGNAL) != 1 || recv(fd, buffer, 1, 0) != 1) fail("get an answer");
        sample(now() - start);
        close(fd);
    }
    double p50 = percentile(0.5), p99 = percentile(0.99);
    printf("{\"count\": %zu, \"p50_us\": %.1f, \"p99_us\": %.1f}\n", sample_count, p50, p99);
}

static void begin(void) {
    int fd = dial();
    if (send(fd, "x", 1, MSG_NOSIGNAL) != 1) fail("send");
    watch(fd, EPOLLIN, fd);
}
static void connections(double seconds, int parallel) {
    long done = 0, failed = 0;
    for (int i = 0; i < parallel; i++) begin();
    double start = now(), end = start + seconds;
    while (now() < end) {
        struct epoll_event events[256];
        int ready = epoll_wait(epoll_fd, events, 256, 1000);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (recv(fd, buffer, 1, MSG_DONTWAIT) == 1) done++;
            else failed++;
            close(fd);
            begin();
        }
    }
    printf("{\"per_second\": %.1f, \"failed\": %ld, \"count\": %ld}\n", done / (now() - start), failed, done);
}

static void requests(double seconds, int parallel, int bytes, int is_fetch) {
    static double sent[LIMIT];
    static int missing[LIMIT];
    long done = 0;
    int asked = is_fetch ? 4 : bytes;
    uint32_t size = htonl(bytes);
    if (asked > CHUNK) exit(2);
    if (is_fetch) memcpy(buffer, &size, 4);
    char *request = buffer, *rest = buffer + CHUNK;
    for (int i = 0; i < parallel; i++) {
        int fd = dial();
        watch(fd, EPOLLIN, fd);
        sent[fd] = now();
        missing[fd] = bytes;
        if (send(fd, request, asked, MSG_NOSIGNAL) != asked) fail("send");
    }
    double start = now(), end = start + seconds, last = start;
    while (last < end) {
        struct epoll_event events[256];
        int ready = epoll_wait(epoll_fd, events, 256, 1000);
        last = now();
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            // Large answers are thrown away by the kernel: the reader is not what is measured.
            ssize_t got = missing[fd] > CHUNK ? recv(fd, NULL, missing[fd], MSG_DONTWAIT | MSG_TRUNC)
                                              : recv(fd, rest, missing[fd], MSG_DONTWAIT);
            if (got <= 0) fail("get an answer");
            if ((missing[fd] -= got) > 0) continue;
            done++;
            sample(last - sent[fd]);
            missing[fd] = bytes;
            sent[fd] = last;
            if (send(fd, request, asked, MSG_NOSIGNAL) != asked) fail("send");
        }
    }
    double took = now() - start, p50 = percentile(0.5), p99 = percentile(0.99);
    printf("{\"per_second\": %.1f, \"count\": %ld, \"p50_us\": %.1f, \"p99_us\": %.1f}\n", done / took, done, p50, p99);
}

static void bulk(double seconds, int parallel) {
    long long total = 0;
    for (int i = 0; i < parallel; i++) {
        int fd = dial();
        watch(fd, EPOLLIN, fd);
    }
    double start = now(), end = start + seconds;
    while (now() < end) {
        struct epoll_event events[64];
        int ready = epoll_wait(epoll_fd, events, 64, 1000);
        for (int i = 0; i < ready; i++) {
            // Taken and thrown away by the kernel: the reader is not what is measured.
            ssize_t got = recv(events[i].data.fd, NULL, 4 << 20, MSG_DONTWAIT | MSG_TRUNC);
            if (got > 0) total += got;
            else if (got == 0) fail("read on: it has ended");
        }
    }
    printf("{\"gbit_per_second\": %.3f, \"bytes\": %lld}\n", total * 8 / 1e9 / (now() - start), total);
}

static void idle(int count) {
    for (int i = 0; i < count; i++) {
        int fd = dial();
        if (send(fd, "x", 1, MSG_NOSIGNAL) != 1 || recv(fd, buffer, 1, 0) != 1) fail("get an answer");
    }
    puts("open");
    fflush(stdout);
    while (read(0, buffer, 1) > 0) {}
}

int main(int argc, char **argv) {
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (argc > 2 && !strcmp(argv[1], "serve")) serve(argc - 2, argv + 2);
    if (argc < 5) return 2;
    target.sin_family = AF_INET;
    inet_pton(AF_INET, argv[2], &target.sin_addr);
    target.sin_port = htons(atoi(argv[3]));
    double seconds = atof(argv[4]);
    int first = argc > 5 ? atoi(argv[5]) : 1, second = argc > 6 ? atoi(argv[6]) : 1;
    if (!strcmp(argv[1], "latency")) latency(seconds);
    else if (!strcmp(argv[1], "connect")) sources = second, connections(seconds, first);
    else if (!strcmp(argv[1], "request")) requests(seconds, first, second, 0);
    else if (!strcmp(argv[1], "fetch")) requests(seconds, first, second, 1);
    else if (!strcmp(argv[1], "bulk")) bulk(seconds, first);
    else if (!strcmp(argv[1], "idle")) sources = first, idle((int)seconds);
    else return 2;
    return 0;
}
