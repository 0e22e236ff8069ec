// podinit <state directory> <pod uid> [p]
//   descriptor 3: the listening socket; 4: the state directory. `p`: a PID namespace that all containers share.
#define _GNU_SOURCE
#include "linux.h"
#include "podinit.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_LIMIT 8
#define CONTAINERS_LIMIT 1024 // ended ones that nobody has asked to forget, and running execs, included
#define PACKET_LIMIT 4096

int state_directory = 4;
static const int listener = 3;
static int epoll, signals = -1;
static int clients[CLIENTS_LIMIT];
static struct container *containers;
static unsigned containers_count;
static const char *pod_uid;
static int own_pid_namespace = -1, pause_pidfd = -1;
static pid_t pause_pid;
static int is_terminating;

// What an epoll event is about: a small tag, or a pointer to a stream or a container with the lowest bit set.
enum { TAG_LISTENER = 2, TAG_SIGNALS = 4, TAG_CLIENT = 16 };

int64_t now_nanos(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int watch(int fd, uint64_t data) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = data};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

void close_watched(int fd) {
    if (fd < 0) return;
    // By hand: a child that has not executed yet has a copy of the descriptor, with which the kernel would go on to
    // report events of what is forgotten here.
    epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
    close(fd);
}

// --- talking

static void drop_client(int client) {
    if (clients[client] < 0) return;
    close_watched(clients[client]);
    clients[client] = -1;
    for (struct container *c = containers; c; c = c->next)
        if (c->client == client) c->client = -1;
}

static void say(int client, enum message_type type, uint32_t request, const void *body, size_t count) {
    if (client < 0 || clients[client] < 0) return;
    char packet[PACKET_LIMIT];
    struct message_header header = {(uint32_t)(sizeof header + count), (uint16_t)type, 0, request};
    memcpy(packet, &header, sizeof header);
    if (count) memcpy(packet + sizeof header, body, count);
    ssize_t sent;
    do sent = send(clients[client], packet, header.length, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    // One that does not listen is let go: when it is back it asks for all that it missed.
    if (sent < 0) drop_client(client);
}

static void say_failure(int client, uint32_t request, enum stage stage, int error, const char *subject) {
    struct failure_report report = {.stage = stage, .error = error};
    snprintf(report.subject, sizeof report.subject, "%s", subject);
    say(client, MSG_FAILED, request, &report, sizeof report);
}

static struct container_report report_of(const struct container *c) {
    struct container_report report = {
        .state = c->state, .pid = c->pid, .started_nanos = c->started, .finished_nanos = c->finished,
        .exit_code = c->exit_code, .signal = c->signal, .oom_killed = (uint32_t)c->oom_killed};
    memcpy(report.id, c->id, ID_LENGTH);
    return report;
}

// --- containers

static struct container *find(const char *id) {
    struct container *c = containers;
    while (c && memcmp(c->id, id, ID_LENGTH) != 0) c = c->next;
    return c;
}

static void release(struct container *c) {
    struct container **link = &containers;
    while (*link != c) link = &(*link)->next;
    *link = c->next;
    containers_count--;
    for (int i = 0; i < 2; i++) stream_finish(&c->streams[i]);
    close_watched(c->report_fd);
    log_close(&c->log);
    free(c->log.path);
    free(c->oom_file);
    free(c->kill_file);
    free(c);
}

static void record_exit(const struct container *c) {
    char name[ID_LENGTH + 16], temporary[ID_LENGTH + 16], line[160];
    snprintf(name, sizeof name, "%s.exit", c->id);
    snprintf(temporary, sizeof temporary, "%s.exit.tmp", c->id);
    int count = snprintf(line, sizeof line, "swiftlet-exit 1 %d %d %d %lld %lld\n", c->exit_code, c->signal,
                         c->oom_killed, (long long)c->started, (long long)c->finished);
    int fd = openat(state_directory, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return;
    int is_whole = write(fd, line, (size_t)count) == count;
    close(fd);
    if (is_whole) renameat(state_directory, temporary, state_directory, name);
    else unlinkat(state_directory, temporary, 0);
}

static int was_out_of_memory(const char *path) {
    if (!path) return 0;
    char text[2048];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t count = read(fd, text, sizeof text - 1);
    close(fd);
    if (count <= 0) return 0;
    text[count] = 0;
    const char *line = strstr(text, "oom_kill ");
    return line && atoi(line + 9) > 0;
}

// Kills what a container left where its first process is not the end of its PID namespace.
static void kill_rest(const char *path) {
    if (!path) return;
    const char *name = strrchr(path, '/');
    if (name && strcmp(name, "/cgroup.kill") == 0) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd >= 0) {
            (void)!write(fd, "1", 1);
            close(fd);
            return;
        }
    }
    // A process that forks meanwhile is met in the next round.
    for (int round = 0; round < 100; round++) {
        FILE *file = fopen(path, "re");
        if (!file) return;
        int pid, count = 0;
        while (fscanf(file, "%d", &pid) == 1)
            if (pid > 1 && pid != getpid()) {
                kill(pid, SIGKILL);
                count++;
            }
        fclose(file);
        if (!count) return;
    }
}

static void finish(struct container *c, int exit_code, int signal) {
    kill_rest(c->kill_file);
    // Its writers are gone, or do not count any more: what is in the pipes is the rest. Bounded, for those that survive.
    for (int i = 0; i < 2; i++)
        if (c->streams[i].fd >= 0) {
            for (int reads = 0; reads < 64 && stream_read(&c->streams[i]) > 0; reads++) {}
            stream_finish(&c->streams[i]);
        }
    log_close(&c->log);
    c->finished = now_nanos();
    c->signal = signal;
    c->exit_code = exit_code;
    c->oom_killed = was_out_of_memory(c->oom_file);
    c->state = STATE_EXITED;
    if (!c->is_exec) record_exit(c);
    struct container_report report = report_of(c);
    for (int i = 0; i < CLIENTS_LIMIT; i++) say(i, MSG_EXITED, 0, &report, sizeof report);
    // Nobody asks for an exec again.
    if (c->is_exec) release(c);
}

static void fail_start(struct container *c, struct failure_report *report) {
    report->subject[sizeof report->subject - 1] = 0;
    kill_rest(c->kill_file);
    if (c->client < 0 && !c->is_exec) {
        // Whoever asked has left, and nobody else knows of an answer: it is told as an end.
        const int is_missing = report->stage == STAGE_LOOKUP || (report->stage == STAGE_EXEC && report->error == ENOENT);
        c->started = now_nanos();
        return finish(c, is_missing ? 127 : 128, 0);
    }
    say(c->client, MSG_FAILED, c->request, report, sizeof *report);
    release(c);
}

// The child has executed, or has told why not.
static void take_report(struct container *c) {
    if (c->state != STATE_STARTING || c->report_fd < 0) return;
    struct failure_report report;
    ssize_t count;
    do count = read(c->report_fd, &report, sizeof report);
    while (count < 0 && errno == EINTR);
    if (count < 0 && errno == EAGAIN) return;
    close_watched(c->report_fd);
    c->report_fd = -1;
    if (count == (ssize_t)sizeof report) {
        while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR) {}
        return fail_start(c, &report);
    }
    // No report and no program: it was killed on its way. Then its end is heard like any other's.
    c->state = STATE_RUNNING;
    c->started = now_nanos();
    struct container_report started = report_of(c);
    say(c->client, MSG_STARTED, c->request, &started, sizeof started);
}

static void reap(void) {
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid <= 0) return;
        if (pid == pause_pid) {
            // All containers lived in its PID namespace, and ended with it.
            is_terminating = 1;
            continue;
        }
        struct container *c = containers;
        while (c && !(c->pid == pid && c->state != STATE_EXITED)) c = c->next;
        if (!c) continue; // an orphan
        if (c->state == STATE_STARTING) {
            // Its report may have come before its end.
            struct failure_report report;
            ssize_t count = c->report_fd >= 0 ? read(c->report_fd, &report, sizeof report) : -1;
            if (count == (ssize_t)sizeof report) {
                fail_start(c, &report);
                continue;
            }
            close_watched(c->report_fd);
            c->report_fd = -1;
            c->started = now_nanos();
            c->state = STATE_RUNNING;
            struct container_report started = report_of(c);
            say(c->client, MSG_STARTED, c->request, &started, sizeof started);
        }
        const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        finish(c, signal ? 128 + signal : WEXITSTATUS(status), signal);
    }
}

static int above_two(int fd) {
    if (fd < 0 || fd > 2) return fd;
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    int saved = errno;
    close(fd);
    errno = saved;
    return copy;
}

// fds: for an exec its stdin, stdout and stderr; they are closed here, whatever happens.
static void start(int client, uint32_t request, int plan_fd, int is_exec, int *fds) {
    struct plan plan;
    struct container *c = NULL, *target = NULL;
    int pipes[2][2] = {{-1, -1}, {-1, -1}}, report[2] = {-1, -1}, cgroup = -1, join = -1;
    int trees[16], trees_count = 0;
    enum stage stage = STAGE_PLAN;
    const char *subject = "";
    if (plan_open(&plan, plan_fd) < 0) goto failed;
    stage = STAGE_PROTOCOL;
    if (is_terminating || containers_count >= CONTAINERS_LIMIT) {
        errno = is_terminating ? ESHUTDOWN : EAGAIN;
        goto failed;
    }
    if (find(plan.id)) {
        errno = EEXIST;
        goto failed;
    }
    if (is_exec) {
        target = plan.target && strlen(plan.target) == ID_LENGTH ? find(plan.target) : NULL;
        if (!target || target->state != STATE_RUNNING) {
            errno = ESRCH;
            goto failed;
        }
    }
    c = calloc(1, sizeof *c);
    if (!c) goto failed;
    c->log.fd = c->report_fd = c->streams[0].fd = c->streams[1].fd = -1;
    c->is_exec = is_exec;
    c->client = client;
    c->request = request;
    c->state = STATE_STARTING;
    strcpy(c->id, plan.id);
    for (int i = 0; i < 2; i++) c->streams[i].container = c;
    c->streams[0].name = "stdout";
    c->streams[1].name = "stderr";
    c->next = containers;
    containers = c;
    containers_count++;
    if (plan.oom_file) c->oom_file = strdup(plan.oom_file);
    if (plan.kill_file) c->kill_file = strdup(plan.kill_file);
    stage = STAGE_LOG;
    if (!is_exec) {
        subject = plan.log_path ? plan.log_path : "";
        c->log.path = plan.log_path ? strdup(plan.log_path) : NULL;
        c->log.size_limit = (int64_t)plan.log_size;
        c->log.files_limit = plan.log_files;
        if (!c->log.path || log_open(&c->log) < 0) goto failed;
        for (int i = 0; i < 2; i++) {
            if (pipe2(pipes[i], O_CLOEXEC) < 0) goto failed;
            c->streams[i].fd = pipes[i][0];
            fcntl(pipes[i][0], F_SETFL, O_NONBLOCK);
            if (watch(pipes[i][0], (uint64_t)(uintptr_t)&c->streams[i] | 1) < 0) goto failed;
        }
        stage = STAGE_MOUNT;
        for (struct plan_record *r = plan_next(&plan, NULL); r; r = plan_next(&plan, r)) {
            struct plan_mount mount;
            if (r->type != PLAN_MOUNT) continue;
            memcpy(&mount, r->payload, sizeof mount);
            if (mount.kind != MOUNT_POD_TMPFS) continue;
            subject = r->payload + sizeof mount;
            if (trees_count == 16) {
                errno = E2BIG;
                goto failed;
            }
            // Here and not in the child: a detached tree is cloned only in the mount namespace that made it.
            int tree = pod_tmpfs_clone(subject, mount.size);
            if (tree < 0) goto failed;
            trees[trees_count++] = tree;
        }
    }
    subject = "";
    stage = STAGE_CLONE;
    if (pipe2(report, O_CLOEXEC) < 0) goto failed;
    c->report_fd = report[0];
    fcntl(report[0], F_SETFL, O_NONBLOCK);
    struct clone_arguments arguments = {
        .flags = (is_exec ? 0 : CLONE_NEWNS) | (plan.flags & PLAN_FLAG_NEW_PID ? CLONE_NEWPID : 0),
        .exit_signal = SIGCHLD};
    if (plan.cgroup) {
        stage = STAGE_CGROUP;
        subject = plan.cgroup;
        cgroup = open(plan.cgroup, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (cgroup < 0) goto failed;
        arguments.flags |= CLONE_INTO_CGROUP_;
        arguments.cgroup = (uint64_t)cgroup;
    }
    stage = STAGE_NAMESPACE;
    subject = "pid";
    if (is_exec) {
        join = (int)syscall(SYS_pidfd_open, target->pid, 0);
        if (join < 0) goto failed;
    }
    int pid_source = is_exec ? join : plan.flags & PLAN_FLAG_POD_PID ? pause_pidfd : -1;
    if (!is_exec && (plan.flags & PLAN_FLAG_POD_PID) && pause_pidfd < 0) {
        errno = ESRCH;
        goto failed;
    }
    if (pid_source >= 0 && syscall(SYS_setns, pid_source, CLONE_NEWPID) < 0) goto failed;
    stage = STAGE_CLONE;
    subject = "";
    pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0) {
        struct child_context context = {
            .report_fd = report[1], .in = is_exec ? fds[0] : -1, .out = is_exec ? fds[1] : pipes[0][1],
            .err = is_exec ? fds[2] : pipes[1][1], .pod_trees = trees, .pod_trees_count = (size_t)trees_count,
            .join_pidfd = join};
        child_run(&plan, &context);
    }
    int saved = errno;
    // Later children are to be born in the pod's own again. It can't fail: it is the one that this process lives in.
    if (pid_source >= 0) syscall(SYS_setns, own_pid_namespace, CLONE_NEWPID);
    errno = saved;
    if (pid < 0) goto failed;
    c->pid = pid;
    c->started = now_nanos();
    if (watch(report[0], (uint64_t)(uintptr_t)c | 1) < 0) {
        kill(pid, SIGKILL);
        goto failed;
    }
    c = NULL;
    goto done;
failed:
    say_failure(client, request, stage, errno, subject);
    if (c) release(c);
done:
    if (report[1] >= 0) close(report[1]);
    for (int i = 0; i < 2; i++)
        if (pipes[i][1] >= 0) close(pipes[i][1]);
    for (int i = 0; i < trees_count; i++) close(trees[i]);
    if (cgroup >= 0) close(cgroup);
    if (join >= 0) close(join);
    plan_close(&plan);
}

static void signal_container(int client, uint32_t request, const char *id, int number) {
    struct container *c = find(id);
    if (!c) return say_failure(client, request, STAGE_PROTOCOL, ENOENT, "");
    if (number < 0 || number > 64) return say_failure(client, request, STAGE_PROTOCOL, EINVAL, "");
    // It is our child and not reaped: the number can't mean another process.
    if (c->state != STATE_EXITED && kill(c->pid, number) < 0) return say_failure(client, request, STAGE_PROTOCOL, errno, "");
    say(client, MSG_DONE, request, NULL, 0);
}

static void forget(int client, uint32_t request, const char *id) {
    struct container *c = find(id);
    if (c && c->state != STATE_EXITED) return say_failure(client, request, STAGE_PROTOCOL, EBUSY, "");
    if (c) {
        char name[ID_LENGTH + 16];
        snprintf(name, sizeof name, "%s.exit", c->id);
        unlinkat(state_directory, name, 0);
        release(c);
    }
    say(client, MSG_DONE, request, NULL, 0);
}

static void terminate(void) {
    is_terminating = 1;
    for (struct container *c = containers; c; c = c->next)
        if (c->state != STATE_EXITED) kill(c->pid, SIGKILL);
    if (pause_pid > 0) kill(pause_pid, SIGKILL);
}

static void handle(int client, const struct message_header *header, const char *body, int *fds, int fds_count) {
    const size_t count = header->length - sizeof *header;
    switch (header->type) {
    case MSG_LIST:
        for (struct container *c = containers; c; c = c->next) {
            if (c->is_exec) continue;
            struct container_report report = report_of(c);
            say(client, MSG_CONTAINER, header->request, &report, sizeof report);
        }
        return say(client, MSG_DONE, header->request, NULL, 0);
    case MSG_START:
        if (fds_count < 1) return say_failure(client, header->request, STAGE_PLAN, EBADF, "");
        return start(client, header->request, fds[0], 0, NULL);
    case MSG_EXEC:
        if (fds_count < 4) return say_failure(client, header->request, STAGE_PLAN, EBADF, "");
        for (int i = 1; i < 4; i++)
            if ((fds[i] = above_two(fds[i])) < 0) return say_failure(client, header->request, STAGE_DESCRIPTORS, errno, "");
        return start(client, header->request, fds[0], 1, fds + 1);
    case MSG_SIGNAL:
        if (count >= ID_LENGTH + 4) {
            int32_t number;
            memcpy(&number, body + ID_LENGTH, 4);
            return signal_container(client, header->request, body, number);
        }
        break;
    case MSG_FORGET:
        if (count >= ID_LENGTH) return forget(client, header->request, body);
        break;
    case MSG_TERMINATE: return terminate();
    default: return say(client, MSG_UNKNOWN, header->request, NULL, 0);
    }
    say_failure(client, header->request, STAGE_PROTOCOL, EINVAL, "");
}

static void hear(int client) {
    char packet[PACKET_LIMIT];
    struct iovec part = {packet, sizeof packet};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(8 * sizeof(int))];
    } control;
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t received = recvmsg(clients[client], &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (received <= 0) return drop_client(client);
    int fds[8], fds_count = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t number = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < number && fds_count < 8; i++)
            memcpy(&fds[fds_count++], CMSG_DATA(header) + i * sizeof(int), sizeof(int));
    }
    size_t offset = 0;
    while (!(message.msg_flags & MSG_TRUNC) && offset + sizeof(struct message_header) <= (size_t)received) {
        struct message_header header;
        memcpy(&header, packet + offset, sizeof header);
        if (header.length < sizeof header || header.length > (size_t)received - offset) break;
        handle(client, &header, packet + offset + sizeof header, fds, fds_count);
        if (clients[client] < 0) break;
        offset += header.length;
    }
    for (int i = 0; i < fds_count; i++)
        if (fds[i] >= 0) close(fds[i]);
}

static void welcome(void) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    for (int i = 0; i < CLIENTS_LIMIT; i++) {
        if (clients[i] >= 0) continue;
        clients[i] = fd;
        if (watch(fd, (uint64_t)(TAG_CLIENT + 2 * i)) < 0) return drop_client(i);
        char hello[128];
        const uint32_t magic = PROTOCOL_MAGIC;
        const uint16_t version[2] = {PROTOCOL_MAJOR, PROTOCOL_MINOR};
        memcpy(hello, &magic, 4);
        memcpy(hello + 4, version, 4);
        // The socket's credentials name who listened first, which was the daemon.
        const int32_t pid = getpid();
        memcpy(hello + 8, &pid, 4);
        size_t length = strnlen(pod_uid, sizeof hello - 12);
        memcpy(hello + 12, pod_uid, length);
        return say(i, MSG_HELLO, 0, hello, 12 + length);
    }
    close(fd);
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
    for (int i = 0; i < CLIENTS_LIMIT; i++) clients[i] = -1;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_SETMASK, &set, NULL);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    own_pid_namespace = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
    if (epoll < 0 || signals < 0 || own_pid_namespace < 0) return 3;
    if (watch(listener, TAG_LISTENER) < 0 || watch(signals, TAG_SIGNALS) < 0) return 3;
    if (argc > 3 && strchr(argv[3], 'p')) {
        pause_pid = pause_start(argv);
        pause_pidfd = pause_pid > 0 ? (int)syscall(SYS_pidfd_open, pause_pid, 0) : -1;
        if (pause_pidfd < 0) return 4;
        fcntl(pause_pidfd, F_SETFD, FD_CLOEXEC);
    }
    for (;;) {
        if (is_terminating) {
            int is_waiting = 0;
            for (struct container *c = containers; c; c = c->next) is_waiting |= c->state != STATE_EXITED;
            if (!is_waiting) return 0;
        }
        // One at a time: what an event does may free what a later one in the same batch is about.
        struct epoll_event event;
        int count = epoll_wait(epoll, &event, 1, -1);
        if (count <= 0) continue;
        const uint64_t data = event.data.u64;
        if (data == TAG_LISTENER) {
            welcome();
        } else if (data == TAG_SIGNALS) {
            struct signalfd_siginfo info;
            while (read(signals, &info, sizeof info) > 0) {}
            reap();
        } else if (!(data & 1)) {
            hear((int)(data - TAG_CLIENT) / 2);
        } else {
            void *object = (void *)(uintptr_t)(data & ~(uint64_t)1);
            struct container *c = containers;
            while (c && (void *)c != object && (void *)&c->streams[0] != object && (void *)&c->streams[1] != object)
                c = c->next;
            if (!c) continue;
            if (object == (void *)c) take_report(c);
            else if (stream_read(object) == 0) stream_finish(object);
        }
    }
}
