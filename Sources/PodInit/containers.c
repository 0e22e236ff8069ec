// The pod's containers, and what is executed in them: started, reaped, remembered.
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
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONTAINERS_LIMIT 1024 // ended ones that nobody has asked to forget, and running execs, included

int state_directory = 4;
int is_terminating;
struct container *containers;
static unsigned containers_count;
static int own_pid_namespace = -1, pause_pidfd = -1;
static pid_t pause_pid;

int containers_begin(int with_pause, char **argv) {
    own_pid_namespace = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
    if (own_pid_namespace < 0) return -1;
    if (!with_pause) return 0;
    pause_pid = pause_start(argv);
    pause_pidfd = pause_pid > 0 ? (int)syscall(SYS_pidfd_open, pause_pid, 0) : -1;
    return pause_pidfd < 0 ? -1 : fcntl(pause_pidfd, F_SETFD, FD_CLOEXEC);
}

int containers_are_running(void) {
    for (struct container *c = containers; c; c = c->next)
        if (c->state != STATE_EXITED) return 1;
    return 0;
}

struct container_report container_report_of(const struct container *c) {
    struct container_report report = {
        .state = c->state, .pid = c->pid, .started_nanos = c->started, .finished_nanos = c->finished,
        .exit_code = c->exit_code, .signal = c->signal, .oom_killed = (uint32_t)c->oom_killed};
    memcpy(report.id, c->id, ID_LENGTH);
    return report;
}

struct container *container_find(const char *id) {
    struct container *c = containers;
    while (c && memcmp(c->id, id, ID_LENGTH) != 0) c = c->next;
    return c;
}

static void close_kept(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

// Lets go of all that only a running one needs.
static void end_streams(struct container *c) {
    for (int i = 0; i < 2; i++) stream_finish(&c->streams[i]);
    close_kept(&c->terminal);
    close_kept(&c->input);
    close_kept(&c->plan_fd);
}

static void release(struct container *c) {
    struct container **link = &containers;
    while (*link != c) link = &(*link)->next;
    *link = c->next;
    containers_count--;
    end_streams(c);
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
        if (c->streams[i].fd >= 0)
            for (int reads = 0; reads < 64 && stream_read(&c->streams[i]) > 0; reads++) {}
    end_streams(c);
    log_close(&c->log);
    c->finished = now_nanos();
    c->signal = signal;
    c->exit_code = exit_code;
    c->oom_killed = was_out_of_memory(c->oom_file);
    c->state = STATE_EXITED;
    if (!c->is_exec) record_exit(c);
    struct container_report report = container_report_of(c);
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

// Whoever asked has it; of a container's own terminal the supervisor is the reader.
static void take_terminal(struct container *c, int fd) {
    c->terminal = fd;
    if (c->is_exec) return;
    fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
    c->streams[0].fd = fd;
    watch(fd, EPOLLIN, (uint64_t)(uintptr_t)&c->streams[0] | 1);
}

// What the child says on its way to the program: 1 a failure, 0 nothing more (it has executed, or died), -1 not yet.
static int read_report(struct container *c, struct failure_report *report) {
    for (;;) {
        if (c->report_fd < 0) return 0;
        struct iovec part = {report, sizeof *report};
        union {
            struct cmsghdr header;
            char space[CMSG_SPACE(sizeof(int))];
        } control;
        struct msghdr message = {
            .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
        ssize_t count = recvmsg(c->report_fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN) return -1;
        if (count == (ssize_t)sizeof *report) return 1;
        struct cmsghdr *header = count == 1 ? CMSG_FIRSTHDR(&message) : NULL;
        if (!header || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(int))) return 0;
        int fd;
        memcpy(&fd, CMSG_DATA(header), sizeof fd);
        take_terminal(c, fd);
    }
}

static void note_start(struct container *c) {
    close_watched(c->report_fd);
    c->report_fd = -1;
    c->state = STATE_RUNNING;
    c->started = now_nanos();
    struct container_report started = container_report_of(c);
    say_with(c->client, MSG_STARTED, c->request, &started, sizeof started, c->is_exec ? c->terminal : -1);
    // Whoever asked is the only one who holds it: when they leave, it is hung up.
    if (c->is_exec) close_kept(&c->terminal);
}

void container_hear(struct container *c) {
    if (c->state != STATE_STARTING) return;
    struct failure_report report;
    const int said = read_report(c, &report);
    if (said < 0) return;
    // No report and no program: it was killed on its way. Then its end is heard like any other's.
    if (said == 0) return note_start(c);
    close_watched(c->report_fd);
    c->report_fd = -1;
    while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR) {}
    fail_start(c, &report);
}

void containers_reap(void) {
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
            if (read_report(c, &report) == 1) {
                fail_start(c, &report);
                continue;
            }
            note_start(c);
        }
        const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        finish(c, signal ? 128 + signal : WEXITSTATUS(status), signal);
    }
}

void container_start(int client, uint32_t request, int plan_fd, int is_exec, const int *fds) {
    struct plan plan, base = {0};
    struct container *c = NULL, *target = NULL;
    int pipes[2][2] = {{-1, -1}, {-1, -1}}, input[2] = {-1, -1}, report[2] = {-1, -1}, cgroup = -1, join = -1;
    int trees[16], trees_count = 0;
    enum stage stage = STAGE_PLAN;
    const char *subject = "";
    if (plan_open(&plan, plan_fd) < 0) goto failed;
    stage = STAGE_PROTOCOL;
    if (is_terminating || containers_count >= CONTAINERS_LIMIT) {
        errno = is_terminating ? ESHUTDOWN : EAGAIN;
        goto failed;
    }
    if (container_find(plan.id)) {
        errno = EEXIST;
        goto failed;
    }
    if (is_exec) {
        target = plan.target && strlen(plan.target) == ID_LENGTH ? container_find(plan.target) : NULL;
        if (!target || target->state != STATE_RUNNING) {
            errno = ESRCH;
            goto failed;
        }
        stage = STAGE_PLAN;
        if (plan_open(&base, target->plan_fd) < 0 || plan_inherit(&plan, &base) < 0) goto failed;
    }
    if (!is_exec && plan.pid_target) {
        stage = STAGE_NAMESPACE;
        subject = "pid of the target container";
        target = strlen(plan.pid_target) == ID_LENGTH ? container_find(plan.pid_target) : NULL;
        if (!target || target->state != STATE_RUNNING) {
            errno = ESRCH;
            goto failed;
        }
    }
    const int has_terminal = (plan.flags & PLAN_FLAG_TERMINAL) != 0;
    c = calloc(1, sizeof *c);
    if (!c) goto failed;
    c->log.fd = c->report_fd = c->streams[0].fd = c->streams[1].fd = -1;
    c->plan_fd = c->input = c->terminal = -1;
    c->flags = plan.flags;
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
    if (!is_exec) {
        stage = STAGE_LOG;
        c->log.path = plan.log_path ? strdup(plan.log_path) : NULL;
        c->log.size_limit = (int64_t)plan.log_size;
        c->log.files_limit = plan.log_files;
        if (!c->log.path) goto failed;
        stage = STAGE_DESCRIPTORS;
        subject = "";
        // For those who are executed in it.
        c->plan_fd = fcntl(plan_fd, F_DUPFD_CLOEXEC, 3);
        if (c->plan_fd < 0) goto failed;
        if (!has_terminal && (plan.flags & PLAN_FLAG_INPUT)) {
            if (pipe2(input, O_CLOEXEC) < 0) goto failed;
            c->input = input[1];
        }
        for (int i = 0; i < 2 && !has_terminal; i++) {
            if (pipe2(pipes[i], O_CLOEXEC) < 0) goto failed;
            c->streams[i].fd = pipes[i][0];
            fcntl(pipes[i][0], F_SETFL, O_NONBLOCK);
            if (watch(pipes[i][0], EPOLLIN, (uint64_t)(uintptr_t)&c->streams[i] | 1) < 0) goto failed;
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
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, report) < 0) goto failed;
    c->report_fd = report[0];
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
    if (target) {
        join = (int)syscall(SYS_pidfd_open, target->pid, 0);
        if (join < 0) goto failed;
    }
    int pid_source = target ? join : plan.flags & PLAN_FLAG_POD_PID ? pause_pidfd : -1;
    if (!target && (plan.flags & PLAN_FLAG_POD_PID) && pause_pidfd < 0) {
        errno = ESRCH;
        goto failed;
    }
    if (pid_source >= 0 && syscall(SYS_setns, pid_source, CLONE_NEWPID) < 0) goto failed;
    stage = STAGE_CLONE;
    subject = "";
    pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0) {
        struct child_context context = {
            .report_fd = report[1], .in = is_exec ? fds[0] : input[0], .out = is_exec ? fds[1] : pipes[0][1],
            .err = is_exec ? fds[2] : pipes[1][1], .pod_trees = trees, .pod_trees_count = (size_t)trees_count,
            .join_pidfd = is_exec ? join : -1};
        child_run(&plan, &context);
    }
    int saved = errno;
    // Later children are to be born in the pod's own again. It can't fail: it is the one that this process lives in.
    if (pid_source >= 0) syscall(SYS_setns, own_pid_namespace, CLONE_NEWPID);
    errno = saved;
    if (pid < 0) goto failed;
    c->pid = pid;
    c->started = now_nanos();
    stage = STAGE_LOG;
    subject = c->log.path ? c->log.path : "";
    // Meanwhile the child builds its root on another processor.
    if ((!is_exec && log_open(&c->log) < 0) || watch(report[0], EPOLLIN, (uint64_t)(uintptr_t)c | 1) < 0) {
        saved = errno;
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
        errno = saved;
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
    if (input[0] >= 0) close(input[0]);
    for (int i = 0; i < trees_count; i++) close(trees[i]);
    if (cgroup >= 0) close(cgroup);
    if (join >= 0) close(join);
    plan_close(&plan);
    plan_close(&base);
}

void container_signal(int client, uint32_t request, const char *id, int number) {
    struct container *c = container_find(id);
    if (!c) return say_failure(client, request, STAGE_PROTOCOL, ENOENT, "");
    if (number < 0 || number > 64) return say_failure(client, request, STAGE_PROTOCOL, EINVAL, "");
    // It is our child and not reaped: the number can't mean another process.
    // With what is executed beside the container goes the group that it leads.
    if (c->state != STATE_EXITED && kill(c->is_exec && number ? -c->pid : c->pid, number) < 0) return say_failure(client, request, STAGE_PROTOCOL, errno, "");
    say(client, MSG_DONE, request, NULL, 0);
}

void container_forget(int client, uint32_t request, const char *id) {
    struct container *c = container_find(id);
    if (c && c->state != STATE_EXITED) return say_failure(client, request, STAGE_PROTOCOL, EBUSY, "");
    if (c) {
        char name[ID_LENGTH + 16];
        snprintf(name, sizeof name, "%s.exit", c->id);
        unlinkat(state_directory, name, 0);
        release(c);
    }
    say(client, MSG_DONE, request, NULL, 0);
}

void containers_terminate(void) {
    is_terminating = 1;
    for (struct container *c = containers; c; c = c->next)
        if (c->state != STATE_EXITED) kill(c->pid, SIGKILL);
    if (pause_pid > 0) kill(pause_pid, SIGKILL);
}

