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
    int fd; // the pipe's read end, or the terminal; -1 when it has ended
    const char *name;
    struct container *container;
    unsigned waiting; // those attached who have not taken yet what was read: no more is read until they have
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
    int plan_fd;  // what an exec takes over, as long as it runs
    int input;    // the write end of its input, -1 for none
    int terminal; // -1 for none; also its first stream's, unless it is an exec
    uint64_t flags;
};

// The plan, as pointers into its bytes.
struct plan {
    char *bytes;
    size_t size;
    const char *id, *upper, *work, *root, *directory, *cgroup, *oom_file, *kill_file, *oom_score, *log_path, *target, *pid_target;
    uint64_t flags, capabilities, log_size;
    uint32_t log_files;
    int has_capabilities;
    const struct plan *base; // of an exec: the container's
    const uint32_t *user;
    size_t user_count;
    const void *seccomp;
    size_t seccomp_count;
    uint16_t window[2]; // rows, columns; 0 where nobody says
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
int plan_inherit(struct plan *plan, const struct plan *base);
struct plan_record *plan_next(const struct plan *plan, struct plan_record *record); // NULL starts and ends

// child.c: what the child does. Never returns.
struct child_context {
    int report_fd, out, err;
    int in;               // -1: the container's /dev/null
    const int *pod_trees; // clones of the pod's shared file systems, in the order of their records
    size_t pod_trees_count;
    int join_pidfd;       // for an exec: the container's first process
};
_Noreturn void child_run(const struct plan *plan, const struct child_context *context);
_Noreturn void child_fail(enum stage stage, const char *subject);
// Opens the child's terminal, which is to become its streams, and tells the supervisor.
void child_open_terminal(const struct plan *plan, int pts);
extern int child_terminal;

// root.c
void build_root(const struct plan *plan, const struct child_context *context);

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

// containers.c
extern struct container *containers;
extern int state_directory;
extern int is_terminating;
int containers_begin(int with_pause, char **argv);
int containers_are_running(void);
struct container *container_find(const char *id);
struct container_report container_report_of(const struct container *container);
// fds: for an exec its stdin, stdout and stderr.
void container_start(int client, uint32_t request, int plan_fd, int is_exec, const int *fds);
void container_signal(int client, uint32_t request, const char *id, int number);
void container_forget(int client, uint32_t request, const char *id);
void containers_terminate(void);
void container_hear(struct container *container); // its child has something to tell
void containers_reap(void);

// attach.c
void attach(int client, uint32_t request, const struct attach_request *asked, const int *fds, int fds_count);
void resize(int client, uint32_t request, const struct resize_request *asked);
// Passes on what a stream has said.
void attached_take(struct stream *stream, const char *bytes, size_t count);
void attached_finish(struct stream *stream);
int attached_event(void *object); // 0: it is none of ours
int attached_timeout(void);       // for epoll_wait

// clients.c
#define CLIENTS_LIMIT 8
void clients_begin(void);
void client_welcome(int listener);
void client_hear(int client);
int client_is_there(int client);
void say(int client, enum message_type type, uint32_t request, const void *body, size_t count);
void say_with(int client, enum message_type type, uint32_t request, const void *body, size_t count, int fd);
void say_failure(int client, uint32_t request, enum stage stage, int error, const char *subject);

// main.c
int64_t now_nanos(void);
enum { TAG_LISTENER = 2, TAG_SIGNALS = 4, TAG_CLIENT = 16 };
int watch(int fd, uint32_t events, uint64_t data);
void unwatch(int fd);
// Closes what the loop waits for; -1 is fine.
void close_watched(int fd);
void handle(int client, const struct message_header *header, const char *body, int *fds, int fds_count);
extern const char *pod_uid;
