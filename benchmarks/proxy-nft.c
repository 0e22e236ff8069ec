/* Ends of connections for benchmarks/proxy-nft:
 *   serve PORT                 accepts; sends back what it gets, and counts nothing
 *   connect ADDR PORT COUNT    new connections one after the other: p50, p99, worst in us, and connections per second
 *   during ADDR PORT SECONDS   the same for a time, one every 0.5 ms: the worst, and how many failed
 *   bulk ADDR PORT SECONDS     one connection, as much as goes: Gbit/s
 *   small ADDR PORT SECONDS    one connection, 100 bytes there and back: requests per second */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { chunk = 256 * 1024, limit = 2000000 };

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static struct sockaddr_in place(const char *address, const char *port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    inet_pton(AF_INET, address, &a.sin_addr);
    return a;
}

/* The peer decides what happens: a first byte of 'b' is bulk to be thrown away, all else is sent back. */
static void *answer(void *argument) {
    int fd = (int)(long)argument, one = 1;
    char *buffer = malloc(chunk);
    ssize_t count = recv(fd, buffer, chunk, 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int bulk = count > 0 && buffer[0] == 'b';
    while (count > 0) {
        if (!bulk && send(fd, buffer, count, MSG_NOSIGNAL) != count) break;
        count = recv(fd, buffer, chunk, 0);
    }
    close(fd);
    free(buffer);
    return NULL;
}

static int serve(const char *port) {
    struct sockaddr_in a = place("0.0.0.0", port);
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (void *)&a, sizeof a) || listen(listener, 4096)) return perror("listen"), 1;
    puts("serving");
    fflush(stdout);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) continue;
        /* Most only connect and are gone: a thread for those would be what is measured. They are thrown away when
         * their reset is there; whoever sends at once is served. */
        char byte;
        if (recv(fd, &byte, 1, MSG_PEEK) <= 0) {
            close(fd);
            continue;
        }
        pthread_t thread;
        pthread_create(&thread, NULL, answer, (void *)(long)fd);
        pthread_detach(thread);
    }
}

static int connected(struct sockaddr_in a) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct timeval wait = {.tv_sec = 5};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (void *)&a, sizeof a)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* By a reset, so that ports are free again at once. */
static void drop(int fd) {
    struct linger now = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

static int by_size(const void *a, const void *b) { return *(double *)a < *(double *)b ? -1 : *(double *)a > *(double *)b; }

static int connects(struct sockaddr_in a, int count, double seconds) {
    double *times = malloc(limit * sizeof *times), start = now_us();
    int done = 0, failed = 0;
    while (done < limit && (seconds > 0 ? now_us() - start < seconds * 1e6 : done < count)) {
        double before = now_us();
        int fd = connected(a);
        times[done++] = now_us() - before;
        if (fd < 0) failed++; else drop(fd);
        if (seconds > 0) usleep(500);
    }
    double all = now_us() - start;
    qsort(times, done, sizeof *times, by_size);
    printf("p50 %.1f p99 %.1f worst %.1f rate %.0f failed %d\n", times[done / 2], times[done * 99 / 100], times[done - 1],
           done / all * 1e6, failed);
    return 0;
}

static int bulk(struct sockaddr_in a, double seconds) {
    int fd = connected(a);
    if (fd < 0) return perror("connect"), 1;
    char *buffer = calloc(1, chunk);
    memset(buffer, 'b', chunk);
    double start = now_us(), sent = 0;
    while (now_us() - start < seconds * 1e6) {
        ssize_t count = send(fd, buffer, chunk, 0);
        if (count <= 0) return perror("send"), 1;
        sent += count;
    }
    printf("gbit %.2f\n", sent * 8 / (now_us() - start) / 1e3);
    drop(fd);
    return 0;
}

static int small(struct sockaddr_in a, double seconds) {
    int fd = connected(a), count = 0;
    if (fd < 0) return perror("connect"), 1;
    char buffer[100] = {0};
    double start = now_us();
    while (now_us() - start < seconds * 1e6) {
        if (send(fd, buffer, sizeof buffer, 0) != sizeof buffer || recv(fd, buffer, sizeof buffer, MSG_WAITALL) != sizeof buffer)
            return perror("exchange"), 1;
        count++;
    }
    printf("rps %.0f\n", count / (now_us() - start) * 1e6);
    drop(fd);
    return 0;
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    if (argc == 3 && !strcmp(argv[1], "serve")) return serve(argv[2]);
    if (argc != 5) return fputs("usage: see the head of proxy-nft.c\n", stderr), 2;
    struct sockaddr_in a = place(argv[2], argv[3]);
    if (!strcmp(argv[1], "connect")) return connects(a, atoi(argv[4]), 0);
    if (!strcmp(argv[1], "during")) return connects(a, 0, atof(argv[4]));
    if (!strcmp(argv[1], "bulk")) return bulk(a, atof(argv[4]));
    if (!strcmp(argv[1], "small")) return small(a, atof(argv[4]));
    return 2;
}
