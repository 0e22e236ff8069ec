// Those who look on: what a container says is passed on to them as well as to its log, at the pace of the slowest. What is
// said to a container goes past here: they get the end of its input, or its terminal.
#define _GNU_SOURCE
#include "podinit.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ATTACHED_LIMIT 64
// One that takes nothing for so long is let go: a container must not hang for ever on a terminal that sleeps.
#define PATIENCE_NANOS 30000000000

struct attached {
    struct attached *next;
    struct stream *stream; // NULL once it has ended: what is kept is still passed on
    int fd;
    char *kept; // what it has not taken yet
    size_t kept_count;
    int64_t waits_since;
};
static struct attached *all;
static unsigned all_count;

static uint64_t tag_of(const void *object) { return (uint64_t)(uintptr_t)object | 1; }

static void stop_waiting(struct attached *a) {
    a->waits_since = 0;
    struct stream *stream = a->stream;
    if (stream && --stream->waiting == 0 && stream->fd >= 0) watch(stream->fd, EPOLLIN, tag_of(stream));
}

static void leave(struct attached *a) {
    struct attached **link = &all;
    while (*link != a) link = &(*link)->next;
    *link = a->next;
    all_count--;
    if (a->waits_since) stop_waiting(a);
    close_watched(a->fd);
    free(a->kept);
    free(a);
}

// Answers -1 where nobody reads any more.
static int keep(struct attached *a, const char *bytes, size_t count) {
    char *kept = realloc(a->kept, a->kept_count + count);
    if (!kept) return -1;
    memcpy(kept + a->kept_count, bytes, count);
    a->kept = kept;
    a->kept_count += count;
    if (a->waits_since) return 0;
    a->waits_since = now_nanos();
    struct stream *stream = a->stream;
    // Out of the set: a pipe that has ended would be reported again and again.
    if (stream && stream->waiting++ == 0) unwatch(stream->fd);
    unwatch(a->fd);
    return watch(a->fd, EPOLLOUT, tag_of(a));
}

static int pass(struct attached *a, const char *bytes, size_t count) {
    while (count > 0 && a->kept_count == 0) {
        ssize_t written = write(a->fd, bytes, count);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0 && errno == EAGAIN) break;
        if (written < 0) return -1;
        bytes += written;
        count -= (size_t)written;
    }
    return count > 0 ? keep(a, bytes, count) : 0;
}

void attached_take(struct stream *stream, const char *bytes, size_t count) {
    for (struct attached *a = all, *next; a; a = next) {
        next = a->next;
        if (a->stream == stream && pass(a, bytes, count) < 0) leave(a);
    }
}

void attached_finish(struct stream *stream) {
    stream->waiting = 0;
    for (struct attached *a = all, *next; a; a = next) {
        next = a->next;
        if (a->stream != stream) continue;
        a->stream = NULL;
        if (a->kept_count == 0) leave(a);
    }
}

int attached_event(void *object) {
    struct attached *a = all;
    while (a && (void *)a != object) a = a->next;
    if (!a) return 0;
    size_t offset = 0;
    while (offset < a->kept_count) {
        ssize_t written = write(a->fd, a->kept + offset, a->kept_count - offset);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0 && errno == EAGAIN) break;
        if (written < 0) return leave(a), 1;
        offset += (size_t)written;
    }
    // Nothing to say, and yet an event: nobody is there any more.
    if (a->kept_count == 0) return leave(a), 1;
    if (offset > 0) a->waits_since = now_nanos();
    a->kept_count -= offset;
    memmove(a->kept, a->kept + offset, a->kept_count);
    if (a->kept_count > 0) return 1;
    if (!a->stream) return leave(a), 1;
    unwatch(a->fd);
    if (watch(a->fd, 0, tag_of(a)) < 0) return leave(a), 1;
    stop_waiting(a);
    return 1;
}

int attached_timeout(void) {
    int is_waiting = 0;
    const int64_t now = all ? now_nanos() : 0;
    for (struct attached *a = all, *next; a; a = next) {
        next = a->next;
        if (!a->waits_since) continue;
        if (now - a->waits_since > PATIENCE_NANOS) leave(a);
        else is_waiting = 1;
    }
    return is_waiting ? 1000 : -1;
}

static int add(struct stream *stream, int fd) {
    if (all_count >= ATTACHED_LIMIT) {
        errno = EAGAIN;
        return -1;
    }
    struct attached *a = calloc(1, sizeof *a);
    if (!a) return -1;
    a->stream = stream;
    a->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    // Errors and hang-ups are reported without being asked for.
    if (a->fd < 0 || fcntl(a->fd, F_SETFL, O_WRONLY | O_NONBLOCK) < 0 || watch(a->fd, 0, tag_of(a)) < 0) {
        int saved = errno;
        if (a->fd >= 0) close(a->fd);
        free(a);
        errno = saved;
        return -1;
    }
    a->next = all;
    all = a;
    all_count++;
    return 0;
}

void attach(int client, uint32_t request, const struct attach_request *asked, const int *fds, int fds_count) {
    struct container *c = container_find(asked->id);
    if (!c || c->is_exec) return say_failure(client, request, STAGE_PROTOCOL, ENOENT, "");
    if (c->state != STATE_RUNNING) return say_failure(client, request, STAGE_PROTOCOL, ESRCH, "");
    uint32_t answer = 0;
    for (int i = 0, used = 0; i < 2; i++) {
        const uint32_t flag = i == 0 ? ATTACH_OUTPUT : ATTACH_ERRORS;
        if (!(asked->flags & flag)) continue;
        if (used == fds_count) return say_failure(client, request, STAGE_STREAMS, EBADF, "");
        // A terminal has one stream; others may have been closed by the container.
        const int fd = fds[used++];
        if (c->streams[i].fd < 0) continue;
        if (add(&c->streams[i], fd) < 0) return say_failure(client, request, STAGE_STREAMS, errno, "");
        answer |= flag;
    }
    if (c->flags & PLAN_FLAG_TERMINAL) answer |= ATTACH_TERMINAL;
    int input = -1;
    if ((asked->flags & ATTACH_INPUT) && (c->flags & PLAN_FLAG_INPUT))
        input = c->terminal >= 0 ? c->terminal : c->input;
    if (input >= 0) answer |= ATTACH_INPUT;
    say_with(client, MSG_ATTACHED, request, &answer, sizeof answer, input);
    // Theirs is the last one: its close is the end of the input.
    if (input >= 0 && input == c->input && (c->flags & PLAN_FLAG_INPUT_ONCE)) {
        close(c->input);
        c->input = -1;
    }
}

void resize(int client, uint32_t request, const struct resize_request *asked) {
    struct container *c = container_find(asked->id);
    if (!c) return say_failure(client, request, STAGE_PROTOCOL, ENOENT, "");
    const struct winsize size = {.ws_row = asked->rows, .ws_col = asked->columns};
    if (c->terminal < 0 || ioctl(c->terminal, TIOCSWINSZ, &size) < 0)
        return say_failure(client, request, STAGE_STREAMS, c->terminal < 0 ? ENOTTY : errno, "");
    say(client, MSG_DONE, request, NULL, 0);
}
