/* One write to many watchers: fanout PORT COLLECTION NAME WATCHERS WRITES
 *
 * Opens the watches, patches the object's label `n` that many times, and prints for each write the milliseconds from
 * the first byte of the request until the last watcher has read the whole event. In C, so that the figure is the
 * server's and not that of a slow reader. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <netinet/tcp.h>
#include <unistd.h>

enum { buffer_size = 64 * 1024 };

struct watcher {
    int fd;
    size_t held;
    char buffer[buffer_size];
};

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static double now_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static int open_connection(int port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void send_all(int fd, const char *text) {
    for (size_t left = strlen(text); left > 0;) {
        ssize_t sent = write(fd, text, left);
        if (sent <= 0) fail("write");
        text += sent;
        left -= (size_t)sent;
    }
}

/* Reads what is there; 1 when a line with the mark has come whole. What lies before it is dropped. */
static int has_seen(struct watcher *watcher, const char *mark) {
    ssize_t got = read(watcher->fd, watcher->buffer + watcher->held, buffer_size - 1 - watcher->held);
    if (got <= 0) fail("a watch ended");
    watcher->held += (size_t)got;
    watcher->buffer[watcher->held] = 0;
    char *found = strstr(watcher->buffer, mark);
    if (found && strchr(found, '\n')) {
        watcher->held = 0;
        return 1;
    }
    if (watcher->held > buffer_size / 2) {
        size_t tail = 4096;
        memmove(watcher->buffer, watcher->buffer + watcher->held - tail, tail);
        watcher->held = tail;
    }
    return 0;
}

int main(int count, char **words) {
    if (count != 6) {
        fprintf(stderr, "usage: fanout PORT COLLECTION NAME WATCHERS WRITES\n");
        return 2;
    }
    int port = atoi(words[1]), watchers = atoi(words[4]), writes = atoi(words[5]);
    char text[1024], answer[buffer_size];
    int poll = epoll_create1(0), writer = open_connection(port);
    struct watcher *all = calloc((size_t)watchers, sizeof *all);
    struct epoll_event *ready = calloc((size_t)watchers, sizeof *ready);
    if (poll < 0 || !all || !ready) fail("epoll_create1");
    for (int index = 0; index < watchers; index++) {
        all[index].fd = open_connection(port);
        snprintf(text, sizeof text, "GET %s?watch=true HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", words[2]);
        send_all(all[index].fd, text);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[index]};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, all[index].fd, &event) != 0) fail("epoll_ctl");
    }
    usleep(500 * 1000);
    for (int number = 0; number < writes; number++) {
        usleep(20 * 1000);
        char body[128], mark[64];
        snprintf(mark, sizeof mark, "\"n\":\"%d\"", number);
        snprintf(body, sizeof body, "{\"metadata\":{\"labels\":{%s}}}", mark);
        snprintf(text, sizeof text,
                 "PATCH %s/%s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/merge-patch+json\r\n"
                 "Content-Length: %zu\r\n\r\n%s", words[2], words[3], strlen(body), body);
        double began = now_ms();
        send_all(writer, text);
        for (int seen = 0; seen < watchers;) {
            int events = epoll_wait(poll, ready, watchers, 10000);
            if (events < 0 && errno == EINTR) continue;
            if (events <= 0) fail("no event came");
            for (int index = 0; index < events; index++) seen += has_seen(ready[index].data.ptr, mark);
        }
        printf("%.4f\n", now_ms() - began);
        if (read(writer, answer, sizeof answer) <= 0) fail("the write was not answered");
    }
    return 0;
}
