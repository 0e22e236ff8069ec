// podinit <state directory> <pod uid> [p]
//   descriptor 3: the listening socket; 4: the state directory. `p`: a PID namespace that all containers share.
#define _GNU_SOURCE
#include "podinit.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

const char *pod_uid;
static const int listener = 3;
static int epoll, signals = -1;

int64_t now_nanos(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

// What an event is about: a small tag, or a pointer to a stream, a container or somebody attached, with the lowest bit set.
int watch(int fd, uint32_t events, uint64_t data) {
    struct epoll_event event = {.events = events, .data.u64 = data};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

// By hand also before a close: a child that has not executed yet has a copy of the descriptor, with which the kernel would
// go on to report events of what is forgotten here.
void unwatch(int fd) { epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL); }

void close_watched(int fd) {
    if (fd < 0) return;
    unwatch(fd);
    close(fd);
}

static int above_two(int fd) {
    if (fd < 0 || fd > 2) return fd;
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    int saved = errno;
    close(fd);
    errno = saved;
    return copy;
}

void handle(int client, const struct message_header *header, const char *body, int *fds, int fds_count) {
    static const int none[] = {-1, -1, -1};
    const size_t count = header->length - sizeof *header;
    switch (header->type) {
    case MSG_LIST:
        for (struct container *c = containers; c; c = c->next) {
            if (c->is_exec) continue;
            struct container_report report = container_report_of(c);
            say(client, MSG_CONTAINER, header->request, &report, sizeof report);
        }
        return say(client, MSG_DONE, header->request, NULL, 0);
    case MSG_START:
        if (fds_count < 1) return say_failure(client, header->request, STAGE_PLAN, EBADF, "");
        return container_start(client, header->request, fds[0], 0, NULL);
    case MSG_EXEC:
        // One with a terminal has no streams to bring along.
        if (fds_count != 1 && fds_count < 4) return say_failure(client, header->request, STAGE_PLAN, EBADF, "");
        for (int i = 1; i < fds_count; i++)
            if ((fds[i] = above_two(fds[i])) < 0) return say_failure(client, header->request, STAGE_DESCRIPTORS, errno, "");
        return container_start(client, header->request, fds[0], 1, fds_count == 1 ? none : fds + 1);
    case MSG_ATTACH:
        if (count >= sizeof(struct attach_request)) {
            struct attach_request asked;
            memcpy(&asked, body, sizeof asked);
            return attach(client, header->request, &asked, fds, fds_count);
        }
        break;
    case MSG_RESIZE:
        if (count >= sizeof(struct resize_request)) {
            struct resize_request asked;
            memcpy(&asked, body, sizeof asked);
            return resize(client, header->request, &asked);
        }
        break;
    case MSG_SIGNAL:
        if (count >= ID_LENGTH + 4) {
            int32_t number;
            memcpy(&number, body + ID_LENGTH, 4);
            return container_signal(client, header->request, body, number);
        }
        break;
    case MSG_FORGET:
        if (count >= ID_LENGTH) return container_forget(client, header->request, body);
        break;
    case MSG_TERMINATE: return containers_terminate();
    default: return say(client, MSG_UNKNOWN, header->request, NULL, 0);
    }
    say_failure(client, header->request, STAGE_PROTOCOL, EINVAL, "");
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    pod_uid = argv[2];
    prctl(PR_SET_NAME, "podinit");
    // Nobody in the pod may look into this process, nor into a child that is not a container yet.
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM, SIGTTIN, SIGTTOU, SIGTSTP};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) signal(ignored[i], SIG_IGN);
    fcntl(3, F_SETFD, FD_CLOEXEC);
    fcntl(4, F_SETFD, FD_CLOEXEC);
    clients_begin();
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_SETMASK, &set, NULL);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (epoll < 0 || signals < 0) return 3;
    if (watch(listener, EPOLLIN, TAG_LISTENER) < 0 || watch(signals, EPOLLIN, TAG_SIGNALS) < 0) return 3;
    if (containers_begin(argc > 3 && strchr(argv[3], 'p'), argv) < 0) return 4;
    while (!is_terminating || containers_are_running()) {
        // One at a time: what an event does may free what a later one in the same batch is about.
        struct epoll_event event;
        int count = epoll_wait(epoll, &event, 1, attached_timeout());
        if (count <= 0) continue;
        const uint64_t data = event.data.u64;
        if (data == TAG_LISTENER) {
            client_welcome(listener);
        } else if (data == TAG_SIGNALS) {
            struct signalfd_siginfo info;
            while (read(signals, &info, sizeof info) > 0) {}
            containers_reap();
        } else if (!(data & 1)) {
            client_hear((int)(data - TAG_CLIENT) / 2);
        } else {
            void *object = (void *)(uintptr_t)(data & ~(uint64_t)1);
            struct container *c = containers;
            while (c && (void *)c != object && (void *)&c->streams[0] != object && (void *)&c->streams[1] != object)
                c = c->next;
            if (!c) attached_event(object);
            else if (object == (void *)c) container_hear(c);
            else if (stream_read(object) == 0) stream_finish(object);
        }
    }
    return 0;
}
