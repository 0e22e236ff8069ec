#define _GNU_SOURCE
#include "CLinux.h"
#include <sys/types.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <sched.h>
#include <unistd.h>

static inline int result(long value) { return value < 0 ? -errno : (int)value; }

// --- epoll
int swl_epoll_create(void) { return result(epoll_create1(EPOLL_CLOEXEC)); }
static int control(int epoll, int operation, int fd, uint32_t events, uint64_t data) {
    struct epoll_event event = {.events = events, .data.u64 = data};
    return result(epoll_ctl(epoll, operation, fd, &event));
}
int swl_epoll_add(int epoll, int fd, uint32_t events, uint64_t data) {
    return control(epoll, EPOLL_CTL_ADD, fd, events, data);
}
int swl_epoll_modify(int epoll, int fd, uint32_t events, uint64_t data) {
    return control(epoll, EPOLL_CTL_MOD, fd, events, data);
}
int swl_epoll_delete(int epoll, int fd) { return control(epoll, EPOLL_CTL_DEL, fd, 0, 0); }
int swl_epoll_wait(int epoll, struct swl_epoll_event *events, int capacity, int timeout_ms) {
    struct epoll_event raw[256];
    if (capacity > 256) capacity = 256;
    int count = epoll_wait(epoll, raw, capacity, timeout_ms);
    if (count < 0) return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < count; i++) {
        events[i].events = raw[i].events;
        events[i].data = raw[i].data.u64;
    }
    return count;
}
int swl_eventfd(void) { return result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }
int swl_timerfd(void) { return result(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)); }
int swl_timerfd_set(int fd, uint64_t nanos) {
    struct itimerspec spec = {.it_value = {.tv_sec = nanos / 1000000000u, .tv_nsec = nanos % 1000000000u}};
    return result(timerfd_settime(fd, 0, &spec, NULL));
}

// --- processes
int swl_pidfd_open(int pid) { return result(syscall(SYS_pidfd_open, pid, 0)); }
int swl_pidfd_send_signal(int pidfd, int signal) {
    return result(syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0));
}
int swl_pidfd_wait(int pidfd, int *code, int *status) {
    siginfo_t info = {0};
    long done;
    do done = waitid((idtype_t)3 /* P_PIDFD */, (id_t)pidfd, &info, WEXITED | WNOHANG);
    while (done < 0 && errno == EINTR);
    if (done < 0) return -errno;
    if (info.si_pid == 0) return 0;
    *code = info.si_code;
    *status = info.si_status;
    return 1;
}

struct clone_arguments {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

static int write_file(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t count = write(fd, text, strlen(text));
    int saved = errno;
    close(fd);
    errno = saved;
    return count < 0 ? -1 : 0;
}

struct spawn_arguments {
    const struct swl_spawn_plan *plan;
    struct swl_spawn_result *result;
    const sigset_t *empty;
};

// Closes all of the daemon's descriptors but what the plan needs: a lock on a file would be held for as long as the child
// takes to execute, also by the child of a daemon that has just been killed.
static void close_others(const struct swl_spawn_plan *plan) {
    int kept[24];
    size_t count = 0;
    const int own[] = {plan->image, plan->socket, plan->state_directory, plan->network_namespace};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (own[i] >= 0) kept[count++] = own[i];
    for (size_t i = 0; i < plan->cgroup_tasks_count && count < sizeof kept / sizeof *kept; i++)
        kept[count++] = plan->cgroup_tasks[i];
    // Sorted, each is the end of a gap.
    for (size_t i = 1; i < count; i++)
        for (size_t j = i; j > 0 && kept[j] < kept[j - 1]; j--) {
            int other = kept[j];
            kept[j] = kept[j - 1];
            kept[j - 1] = other;
        }
    unsigned first = 3;
    for (size_t i = 0; i < count; i++) {
        if (kept[i] > (int)first) syscall(SYS_close_range, first, (unsigned)kept[i] - 1, 0);
        if (kept[i] >= (int)first) first = (unsigned)kept[i] + 1;
    }
    syscall(SYS_close_range, first, ~0u, 0);
}

// Runs in the child, in the daemon's memory and on a stack of its own: no allocation, no stdio, nothing that takes a lock.
static int spawn_child(void *context) {
    const struct spawn_arguments *arguments = context;
    const struct swl_spawn_plan *plan = arguments->plan;
    struct swl_spawn_result *out = arguments->result;
    int stage;
#define FAIL(which, at) \
    do { \
        stage = (which); \
        out->index = (at); \
        goto failed; \
    } while (0)
    close_others(plan);
    setsid();
    // Handlers are the daemon's code: none of them may run here or survive in what is executed.
    for (int signal = 1; signal < 65; signal++) {
        if (signal == SIGKILL || signal == SIGSTOP || signal == 32 || signal == 33) continue;
        struct sigaction action = {.sa_handler = SIG_DFL};
        sigaction(signal, &action, NULL);
    }
    sigprocmask(SIG_SETMASK, arguments->empty, NULL);
    for (size_t i = 0; i < plan->cgroup_tasks_count; i++)
        // "0" is the writer itself. Written from outside, the same move waits for a grace period (7 ms).
        if (write(plan->cgroup_tasks[i], "0", 1) < 0) FAIL(SWL_SPAWN_CGROUP, i);
    if (plan->network_namespace >= 0 && setns(plan->network_namespace, CLONE_NEWNET) < 0)
        FAIL(SWL_SPAWN_NETWORK_NAMESPACE, 0);
    int kinds = (plan->new_ipc ? CLONE_NEWIPC : 0) | (plan->new_uts ? CLONE_NEWUTS : 0);
    if (kinds && unshare(kinds) < 0) FAIL(SWL_SPAWN_UNSHARE, 0);
    if (plan->new_uts && plan->hostname && sethostname(plan->hostname, strlen(plan->hostname)) < 0)
        FAIL(SWL_SPAWN_HOSTNAME, 0);
    for (size_t i = 0; i < plan->sysctl_count; i++)
        if (write_file(plan->sysctl_paths[i], plan->sysctl_values[i]) < 0) FAIL(SWL_SPAWN_SYSCTL, i);
    // Lowering needs CAP_SYS_RESOURCE; the supervisor does without.
    if (plan->oom_score_adj) (void)write_file("/proc/self/oom_score_adj", plan->oom_score_adj);
    // Above all the numbers that are assigned below, lest dup2 closes one that is still needed.
    int image = fcntl(plan->image, F_DUPFD_CLOEXEC, 16);
    int socket = fcntl(plan->socket, F_DUPFD_CLOEXEC, 16);
    int state = fcntl(plan->state_directory, F_DUPFD_CLOEXEC, 16);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (image < 0 || socket < 0 || state < 0 || null < 0) FAIL(SWL_SPAWN_DESCRIPTORS, 0);
    if (dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0) FAIL(SWL_SPAWN_DESCRIPTORS, 1);
    if (dup2(socket, 3) < 0 || dup2(state, 4) < 0) FAIL(SWL_SPAWN_DESCRIPTORS, 2);
    if (syscall(SYS_close_range, 5, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */) < 0) FAIL(SWL_SPAWN_DESCRIPTORS, 3);
    if (chdir("/") < 0) FAIL(SWL_SPAWN_DESCRIPTORS, 4);
    static const char *const environment[] = {NULL};
    syscall(SYS_execveat, image, "", plan->argv, environment, AT_EMPTY_PATH);
    stage = SWL_SPAWN_EXEC;
failed:
    out->error = errno;
    out->stage = stage;
    _exit(127);
}

// clone3 with a stack of its own: libc has no wrapper, and the child returns on another stack, so this part can't be C.
#if defined(__x86_64__)
static long clone3_call(struct clone_arguments *arguments, int (*function)(void *), void *context) {
    long value;
    register void *r12 __asm__("r12") = (void *)function;
    register void *r13 __asm__("r13") = context;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "mov %%r13, %%rdi\n\t"
                     "call *%%r12\n\t"
                     "ud2\n"
                     "1:"
                     : "=a"(value)
                     : "a"(SYS_clone3), "D"(arguments), "S"(sizeof *arguments), "r"(r12), "r"(r13)
                     : "rcx", "r11", "memory");
    return value;
}
#elif defined(__aarch64__)
static long clone3_call(struct clone_arguments *arguments, int (*function)(void *), void *context) {
    register long x0 __asm__("x0") = (long)arguments;
    register long x1 __asm__("x1") = sizeof *arguments;
    register long x8 __asm__("x8") = SYS_clone3;
    register void *x10 __asm__("x10") = (void *)function;
    register void *x11 __asm__("x11") = context;
    __asm__ volatile("svc #0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x29, xzr\n\t"
                     "mov x0, x11\n\t"
                     "blr x10\n\t"
                     "brk #0\n"
                     "1:"
                     : "+r"(x0)
                     : "r"(x1), "r"(x8), "r"(x10), "r"(x11)
                     : "memory");
    return x0;
}
#else
#error "clone3 with a stack of its own is written for x86_64 and aarch64"
#endif

int swl_spawn(const struct swl_spawn_plan *plan, struct swl_spawn_result *out) {
    *out = (struct swl_spawn_result){.pidfd = -1};
    const size_t stack_size = 64 << 10;
    void *stack = mmap(NULL, stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) {
        out->stage = SWL_SPAWN_CLONE;
        out->error = errno;
        return -out->error;
    }
    // No signal may be handled in the child while it shares our memory.
    sigset_t all, before, empty;
    sigfillset(&all);
    sigemptyset(&empty);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    struct spawn_arguments context = {plan, out, &empty};
    int pidfd = -1;
    struct clone_arguments arguments = {
        .flags = CLONE_VM | CLONE_VFORK | 0x1000 /* CLONE_PIDFD */,
        .pidfd = (uint64_t)(uintptr_t)&pidfd,
        .exit_signal = SIGCHLD,
        .stack = (uint64_t)(uintptr_t)stack,
        .stack_size = stack_size,
    };
    if (plan->cgroup_directory >= 0) {
        arguments.flags |= 0x200000000ull /* CLONE_INTO_CGROUP */;
        arguments.cgroup = (uint64_t)plan->cgroup_directory;
    }
    long pid = clone3_call(&arguments, spawn_child, &context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    munmap(stack, stack_size);
    if (pid < 0) {
        out->stage = SWL_SPAWN_CLONE;
        out->error = (int)-pid;
        return (int)pid;
    }
    if (out->stage != 0) {
        while (waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR) {}
        close(pidfd);
        return -out->error;
    }
    out->pid = (int)pid;
    out->pidfd = pidfd;
    return 0;
}

// --- namespaces
int swl_setns(int fd, int kind) { return result(setns(fd, kind)); }
int swl_unshare(int kind) { return result(unshare(kind)); }
int swl_name_thread(const char *name) { return -pthread_setname_np(pthread_self(), name); }

// --- files
int swl_openat2(int directory, const char *path, uint64_t flags, uint32_t mode, uint64_t resolve) {
    struct swl_open_how how = {.flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve};
    long fd;
    // EAGAIN: something was renamed while the path was walked.
    int attempts = 0;
    do fd = syscall(437 /* openat2 */, directory, path, &how, sizeof how);
    while (fd < 0 && (errno == EINTR || (errno == EAGAIN && attempts++ < 100)));
    return result(fd);
}
int swl_memfd(const char *name) { return result(syscall(SYS_memfd_create, name, 0x0001u /* CLOEXEC */)); }

int swl_sealed_memfd(const char *name, const void *bytes, size_t count, int executable) {
    int fd = (int)syscall(SYS_memfd_create, name, 0x0003u /* CLOEXEC | ALLOW_SEALING */ | (executable ? 0x10u : 0x8u));
    // MFD_EXEC and MFD_NOEXEC_SEAL are 6.3's.
    if (fd < 0 && errno == EINVAL) fd = (int)syscall(SYS_memfd_create, name, 0x0003u);
    if (fd < 0) return -errno;
    size_t offset = 0;
    while (offset < count) {
        ssize_t written = write(fd, (const char *)bytes + offset, count - offset);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) goto failed;
        offset += (size_t)written;
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0) goto failed;
    return fd;
failed:;
    int saved = errno;
    close(fd);
    return -saved;
}
int swl_close_range(unsigned first, unsigned last, unsigned flags) {
    return result(syscall(SYS_close_range, first, last, flags));
}

// --- mounts
int swl_fsopen(const char *type) { return result(syscall(SYS_fsopen, type, 1u /* FSOPEN_CLOEXEC */)); }
int swl_fsconfig_string(int context, const char *key, const char *value) {
    return result(syscall(SYS_fsconfig, context, 1 /* SET_STRING */, key, value, 0));
}
int swl_fsconfig_flag(int context, const char *key) {
    return result(syscall(SYS_fsconfig, context, 0 /* SET_FLAG */, key, NULL, 0));
}
int swl_fsconfig_create(int context) {
    return result(syscall(SYS_fsconfig, context, 6 /* CMD_CREATE */, NULL, NULL, 0));
}
int swl_fsmount(int context, unsigned attributes) {
    return result(syscall(SYS_fsmount, context, 1u /* FSMOUNT_CLOEXEC */, attributes));
}
int swl_open_tree(int directory, const char *path, unsigned flags) {
    return result(syscall(SYS_open_tree, directory, path, flags | O_CLOEXEC));
}
int swl_move_mount(int from_directory, const char *from, int to_directory, const char *to, unsigned flags) {
    return result(syscall(SYS_move_mount, from_directory, from, to_directory, to, flags));
}
int swl_mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data) {
    return result(mount(source, target, type, flags, data));
}
int swl_umount_detached(const char *target) { return result(umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW)); }

// --- sockets
int swl_socket(int domain, int type, int protocol) { return result(socket(domain, type | SOCK_CLOEXEC, protocol)); }
int swl_netlink_socket(int protocol, uint32_t groups, int receive_bytes) {
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (fd < 0) return -errno;
    int on = 1;
    // Errors without a copy of the request, and more of what a dump answers at once.
    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
    if (receive_bytes > 0
        && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_bytes, sizeof receive_bytes) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups};
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        int saved = errno;
        close(fd);
        return -saved;
    }
    return fd;
}
// The folder's descriptor stands for its path, which may be longer than a socket's address (108 bytes).
static int unix_address(struct sockaddr_un *address, int directory, const char *name) {
    address->sun_family = AF_UNIX;
    int length = snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s", directory, name);
    return length < 0 || (size_t)length >= sizeof address->sun_path ? -ENAMETOOLONG : 0;
}
int swl_listen_seqpacket(int directory, const char *name, int backlog) {
    struct sockaddr_un address;
    int status = unix_address(&address, directory, name);
    if (status < 0) return status;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, backlog) < 0) {
        int saved = errno;
        close(fd);
        return -saved;
    }
    return fd;
}
int swl_connect_seqpacket(int directory, const char *name) {
    struct sockaddr_un address;
    int status = unix_address(&address, directory, name);
    if (status < 0) return status;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        int saved = errno;
        close(fd);
        return -saved;
    }
    return fd;
}
long swl_send_packet(int fd, const void *bytes, size_t count, const int *fds, int fd_count) {
    if (fd_count < 0 || fd_count > 4) return -EINVAL;
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = count};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(4 * sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd_count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE((size_t)fd_count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN((size_t)fd_count * sizeof(int));
        memcpy(CMSG_DATA(header), fds, (size_t)fd_count * sizeof(int));
    }
    ssize_t sent;
    do sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}
int swl_blocking_pipe(int ends[2]) { return result(pipe2(ends, O_CLOEXEC)); }
int swl_spread_folders(const char *path) {
    // linux/fs.h can't be had beside sys/mount.h everywhere: FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_TOPDIR_FL.
    const unsigned long get = _IOR('f', 1, long), set = _IOW('f', 2, long);
    const int spread = 0x00020000;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), flags = 0;
    if (fd < 0) return -errno;
    int code = ioctl(fd, get, &flags);
    flags |= spread;
    if (code == 0) code = ioctl(fd, set, &flags);
    int saved = errno;
    close(fd);
    return code < 0 ? -saved : 0;
}
int swl_resize_terminal(int fd, unsigned short rows, unsigned short columns) {
    const struct winsize size = {.ws_row = rows, .ws_col = columns};
    return result(ioctl(fd, TIOCSWINSZ, &size));
}

long swl_receive_packet(int fd, void *bytes, size_t capacity, int *fds, int *fd_count) {
    struct iovec part = {.iov_base = bytes, .iov_len = capacity};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(16 * sizeof(int))];
    } control;
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t count;
    do count = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    while (count < 0 && errno == EINTR);
    if (count < 0) return -errno;
    int capacity_fds = fd_count ? *fd_count : 0, kept = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t number = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < number; i++) {
            int received;
            memcpy(&received, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
            if (kept < capacity_fds) fds[kept++] = received;
            else close(received);
        }
    }
    if (fd_count) *fd_count = kept;
    if (message.msg_flags & MSG_TRUNC) {
        for (int i = 0; i < kept; i++) close(fds[i]);
        if (fd_count) *fd_count = 0;
        return -EMSGSIZE;
    }
    return count;
}

long swl_statfs_type(const char *path) {
    struct statfs info;
    return statfs(path, &info) < 0 ? -errno : (long)info.f_type;
}

int swl_mount_tmpfs(const char *path, const char *options) {
    return result(mount("swiftlet", path, "tmpfs", MS_NOSUID | MS_NODEV, options));
}

int swl_unmount(const char *path) { return result(umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW)); }

long swl_getxattr(const char *path, const char *name, void *value, size_t capacity) {
    ssize_t count = getxattr(path, name, value, capacity);
    return count < 0 ? -errno : count;
}

int swl_syncfs(int fd) { return result(syncfs(fd)); }

int swl_fsetxattr(int fd, const char *name, const void *value, size_t count) {
    return result(fsetxattr(fd, name, value, count, 0));
}

// --- BPF
int swl_bpf_load_device_program(const void *instructions, size_t count) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attributes.insns = (uint64_t)(uintptr_t)instructions;
    attributes.insn_cnt = (uint32_t)count;
    attributes.license = (uint64_t)(uintptr_t)"Apache-2.0";
    return result(syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes));
}
int swl_bpf_attach_device_program(int cgroup, int program) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.target_fd = (uint32_t)cgroup;
    attributes.attach_bpf_fd = (uint32_t)program;
    attributes.attach_type = BPF_CGROUP_DEVICE;
    attributes.attach_flags = BPF_F_ALLOW_MULTI;
    return result(syscall(SYS_bpf, BPF_PROG_ATTACH, &attributes, sizeof attributes));
}

// --- inotify
int swl_inotify_create(void) { return result(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)); }
int swl_inotify_add(int fd, const char *path, uint32_t mask) { return result(inotify_add_watch(fd, path, mask)); }
int swl_inotify_remove(int fd, int watch) { return result(inotify_rm_watch(fd, watch)); }

// --- forwarding
int swl_accept(int fd, void *address, size_t capacity) {
    socklen_t length = (socklen_t)capacity;
    return result(accept4(fd, address, &length, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

int swl_pipe(int ends[2], int bytes) {
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) return -errno;
    fcntl(ends[1], F_SETPIPE_SZ, bytes); // refused: it keeps its usual size, and takes more turns
    return 0;
}

long swl_splice(int from, int to, size_t count) {
    ssize_t moved = splice(from, NULL, to, NULL, count, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    return moved < 0 ? -errno : moved;
}
