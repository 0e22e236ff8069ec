// What glibc's module map hides from Swift or libc has no wrapper for. Nothing else gets in.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include "datagrams.h"

// Calls answer -errno where they fail, so that no Swift code can run between the call and the reading of errno.

// --- epoll, timers, wake-ups (sys/epoll.h and its like are not in the Glibc module)
struct swl_epoll_event {
    uint32_t events;
    uint64_t data;
};
enum {
    SWL_EPOLLIN = 0x001,
    SWL_EPOLLOUT = 0x004,
    SWL_EPOLLERR = 0x008,
    SWL_EPOLLHUP = 0x010,
    SWL_EPOLLRDHUP = 0x2000,
    SWL_EPOLLEXCLUSIVE = 1 << 28,
    SWL_EPOLLONESHOT = 1 << 30,
};
#define SWL_EPOLLET 0x80000000u
int swl_epoll_create(void);
int swl_epoll_add(int epoll, int fd, uint32_t events, uint64_t data);
int swl_epoll_modify(int epoll, int fd, uint32_t events, uint64_t data);
int swl_epoll_delete(int epoll, int fd);
// At most 256 events. Goes on after a signal as if nothing had come: 0 events.
int swl_epoll_wait(int epoll, struct swl_epoll_event *events, int capacity, int timeout_ms);
int swl_eventfd(void);
int swl_timerfd(void);
// Fires once, that many nanoseconds from now (monotonic); 0 disarms.
int swl_timerfd_set(int fd, uint64_t nanos);

// --- processes
int swl_pidfd_open(int pid);
int swl_pidfd_send_signal(int pidfd, int signal);
// Reaps the child behind the descriptor: 1 with its status filled in, 0 while it runs, -ECHILD where it is nobody's
// or another's child. `code` is as in siginfo_t (CLD_EXITED, CLD_KILLED...).
int swl_pidfd_wait(int pidfd, int *code, int *status);

// A child of the daemon that becomes a pod's supervisor. It shares the daemon's memory until it executes
// (CLONE_VM|CLONE_VFORK: a plain clone of a large process costs milliseconds), so only the C code of swl_spawn runs.
struct swl_spawn_plan {
    int image;                      // what it executes (O_PATH or a memfd)
    const char *const *argv;        // ends with NULL
    int network_namespace;          // to enter; -1 stays
    int new_ipc, new_uts;           // whether it gets its own
    const char *hostname;           // written when new_uts
    const int *cgroup_tasks;        // v1: descriptors of `tasks` files, "0" is written to each
    size_t cgroup_tasks_count;
    int cgroup_directory;           // v2: born into it (CLONE_INTO_CGROUP); -1 none
    const char *const *sysctl_paths;// under /proc/sys, in the new namespaces
    const char *const *sysctl_values;
    size_t sysctl_count;
    int socket;                     // becomes descriptor 3
    int state_directory;            // becomes descriptor 4
    const char *oom_score_adj;      // text; NULL leaves it
};
enum swl_spawn_stage {
    SWL_SPAWN_CLONE = 1,
    SWL_SPAWN_CGROUP,
    SWL_SPAWN_NETWORK_NAMESPACE,
    SWL_SPAWN_UNSHARE,
    SWL_SPAWN_HOSTNAME,
    SWL_SPAWN_SYSCTL,
    SWL_SPAWN_DESCRIPTORS,
    SWL_SPAWN_EXEC,
};
struct swl_spawn_result {
    int pid;
    int pidfd;
    int stage;    // where it failed, 0 for success
    int error;    // errno of the stage
    size_t index; // which of the stage's items
};
// 0, or -errno with stage and index filled in.
int swl_spawn(const struct swl_spawn_plan *plan, struct swl_spawn_result *result);

// --- namespaces
int swl_setns(int fd, int kind);
int swl_unshare(int kind);
int swl_name_thread(const char *name);
enum {
    SWL_CLONE_NEWNS = 0x00020000,
    SWL_CLONE_NEWCGROUP = 0x02000000,
    SWL_CLONE_NEWUTS = 0x04000000,
    SWL_CLONE_NEWIPC = 0x08000000,
    SWL_CLONE_NEWUSER = 0x10000000,
    SWL_CLONE_NEWPID = 0x20000000,
    SWL_CLONE_NEWNET = 0x40000000,
};

// --- files
struct swl_open_how {
    uint64_t flags;
    uint64_t mode;
    uint64_t resolve;
};
enum { SWL_RESOLVE_NO_XDEV = 0x01, SWL_RESOLVE_NO_MAGICLINKS = 0x02, SWL_RESOLVE_NO_SYMLINKS = 0x04,
       SWL_RESOLVE_BENEATH = 0x08, SWL_RESOLVE_IN_ROOT = 0x10 };
enum { SWL_O_PATH = 010000000 };
int swl_openat2(int directory, const char *path, uint64_t flags, uint32_t mode, uint64_t resolve);
// An anonymous file to write into (memfd_create(2)).
int swl_memfd(const char *name);
// An anonymous file with that content, sealed against any change.
int swl_sealed_memfd(const char *name, const void *bytes, size_t count, int executable);
int swl_close_range(unsigned first, unsigned last, unsigned flags);

// --- mounts (the new mount API has no wrappers in older libcs)
int swl_fsopen(const char *type);
int swl_fsconfig_string(int context, const char *key, const char *value);
int swl_fsconfig_flag(int context, const char *key);
int swl_fsconfig_create(int context);
int swl_fsmount(int context, unsigned attributes);
int swl_open_tree(int directory, const char *path, unsigned flags);
int swl_move_mount(int from_directory, const char *from, int to_directory, const char *to, unsigned flags);
int swl_mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data);
int swl_umount_detached(const char *target);
enum { SWL_OPEN_TREE_CLONE = 1, SWL_MOVE_MOUNT_F_EMPTY_PATH = 4, SWL_MOVE_MOUNT_T_EMPTY_PATH = 0x40 };

// --- sockets
int swl_socket(int domain, int type, int protocol);
int swl_netlink_socket(int protocol, uint32_t groups, int receive_bytes);
// Binds a listening SEQPACKET socket at a path; too long paths go through a descriptor of the folder.
int swl_listen_seqpacket(int directory, const char *name, int backlog);
int swl_connect_seqpacket(int directory, const char *name);
// Sends one packet with up to 4 descriptors. The count of bytes, or -errno.
long swl_send_packet(int fd, const void *bytes, size_t count, const int *fds, int fd_count);
// A pipe (close-on-exec): {read end, write end}.
int swl_blocking_pipe(int ends[2]);
// Lets ext2, 3 and 4 lay each folder in this one into another group of blocks.
int swl_spread_folders(const char *path);
int swl_resize_terminal(int fd, unsigned short rows, unsigned short columns);
// Receives one packet; descriptors are close-on-exec. *fd_count: capacity in, count out. -EMSGSIZE for a packet longer
// than the buffer.
long swl_receive_packet(int fd, void *bytes, size_t capacity, int *fds, int *fd_count);

// --- statfs, extended attributes
long swl_getxattr(const char *path, const char *name, void *value, size_t capacity);
int swl_syncfs(int fd);
int swl_fsetxattr(int fd, const char *name, const void *value, size_t count);
long swl_statfs_type(const char *path);
enum {
    SWL_CGROUP2_SUPER_MAGIC = 0x63677270,
    SWL_OVERLAYFS_SUPER_MAGIC = 0x794c7630,
    SWL_TMPFS_MAGIC = 0x01021994,
};
// A tmpfs at `path`, with its options as text (tmpfs(5)); the mount at `path`, off the tree though somebody use it.
int swl_mount_tmpfs(const char *path, const char *options);
int swl_unmount(const char *path);

// --- BPF: only what limits the devices of a v2 cgroup
int swl_bpf_load_device_program(const void *instructions, size_t count);
int swl_bpf_attach_device_program(int cgroup, int program);

// --- inotify (not in the Glibc module); events are read as inotify(7) has them
enum {
    SWL_IN_MODIFY = 0x002,
    SWL_IN_CLOSE_WRITE = 0x008,
    SWL_IN_MOVED_FROM = 0x040,
    SWL_IN_MOVED_TO = 0x080,
    SWL_IN_CREATE = 0x100,
    SWL_IN_DELETE = 0x200,
    SWL_IN_DELETE_SELF = 0x400,
    SWL_IN_MOVE_SELF = 0x800,
    SWL_IN_Q_OVERFLOW = 0x4000,
    SWL_IN_IGNORED = 0x8000,
};
int swl_inotify_create(void);
int swl_inotify_add(int fd, const char *path, uint32_t mask);
int swl_inotify_remove(int fd, int watch);

// --- forwarding
// Accepts one connection (close-on-exec, not blocking); the peer's address goes into `address`.
int swl_accept(int fd, void *address, size_t capacity);
// A pipe (close-on-exec, not blocking) that holds that many bytes where the system lets it: {read end, write end}.
int swl_pipe(int ends[2], int bytes);
// Moves bytes between a socket and a pipe without copying them. Never waits for the pipe.
long swl_splice(int from, int to, size_t count);
