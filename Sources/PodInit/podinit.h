// One supervisor per pod: it holds the pod's namespaces, starts its containers from prepared plans, reaps them, writes
// their logs and keeps how they ended. It outlives the daemon. Single-threaded, one epoll loop.
#pragma once
#include "protocol.h"
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// A line of a log in the CRI's format holds at most this much of the output.
#define LINE_LIMIT 16384

struct log {
    char *path;
    int fd;
    int64_t size, size_limit;
    uint32_t files_limit;
};

struct stream {
    int fd; // the pipe's read end, -1 when it has ended
    const char *name;
    struct container *container;
    char *pending; // an unfinished line, LINE_LIMIT bytes, made when needed
    size_t pending_count;
};

struct container {
    struct container *next;
    char id[ID_LENGTH + 1];
    enum container_state state;
    int is_exec;
    pid_t pid;
    int64_t started, finished;
    int exit_code, signal, oom_killed;
    int report_fd; // where the child tells why it could not start; ends when it executes
    int client;    // who asked for the start, -1 when it left
    uint32_t request;
    struct stream streams[2];
    struct log log;
    char *oom_file, *kill_file;
};

// The plan, as pointers into its bytes.
struct plan {
    char *bytes;
    size_t size;
    const char *id, *upper, *work, *root, *directory, *cgroup, *oom_file, *kill_file, *oom_score, *log_path, *target;
    uint64_t flags, capabilities, log_size;
    uint32_t log_files;
    const uint32_t *user;
    size_t user_count;
    const void *seccomp;
    size_t seccomp_count;
    char **arguments, **environment;
    // What comes more than once is found again by walking the records.
};
struct plan_record {
    uint16_t type, flags;
    uint32_t length;
    char payload[];
};

// plan.c
int plan_open(struct plan *plan, int fd);
void plan_close(struct plan *plan);
struct plan_record *plan_next(const struct plan *plan, struct plan_record *record); // NULL starts and ends

// container.c: what the child does. Never returns.
struct child_context {
    int report_fd, out, err;
    int in;               // -1: the container's /dev/null
    const int *pod_trees; // clones of the pod's shared file systems, in the order of their records
    size_t pod_trees_count;
    int join_pidfd;       // for an exec: the container's first process
};
_Noreturn void child_run(const struct plan *plan, const struct child_context *context);

// volumes.c: file systems in memory that the pod's containers share
int pod_tmpfs_clone(const char *name, uint64_t size);

// log.c
int log_open(struct log *log);
void log_close(struct log *log);
// Reads what is there; 0 once the stream has ended.
int stream_read(struct stream *stream);
void stream_finish(struct stream *stream);

// pause.c: the first process of a PID namespace that the pod's containers share
int pause_start(char **argv);

// main.c
int64_t now_nanos(void);
// Closes what the loop waits for; -1 is fine.
void close_watched(int fd);
