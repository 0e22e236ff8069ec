// What the child does between its birth and the container's program. It reports {stage, errno} and what it was about over
// a socket that closes when the program is executed.
#define _GNU_SOURCE
#include "linux.h"
#include "podinit.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

int openat2_(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
    struct open_how_ how = {.flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve};
    long fd;
    int attempts = 0;
    do fd = syscall(SYS_openat2, directory, path, &how, sizeof how);
    while (fd < 0 && (errno == EINTR || (errno == EAGAIN && attempts++ < 100)));
    return (int)fd;
}

static int report_fd;

_Noreturn void child_fail(enum stage stage, const char *subject) {
    struct failure_report report = {.stage = stage, .error = errno};
    snprintf(report.subject, sizeof report.subject, "%s", subject ? subject : "");
    (void)!write(report_fd, &report, sizeof report);
    _exit(127);
}

static void write_file(enum stage stage, const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0) child_fail(stage, path);
    close(fd);
}

// --- its terminal

int child_terminal = -1;

void child_open_terminal(const struct plan *plan, int pts) {
    // In a container that is there already anything may lie at that path: only the kernel's own file is opened.
    struct statfs info;
    if (pts < 0 || fstatfs(pts, &info) < 0) child_fail(STAGE_TERMINAL, "/dev/pts");
    if (info.f_type != DEVPTS_MAGIC) {
        errno = ENOTTY;
        child_fail(STAGE_TERMINAL, "/dev/pts");
    }
    int master = openat2_(
        pts, "ptmx", O_RDWR | O_NOCTTY, 0, RESOLVE_BENEATH_ | RESOLVE_NO_XDEV_ | RESOLVE_NO_SYMLINKS_);
    const int is_locked = 0;
    if (master < 0 || ioctl(master, TIOCSPTLCK, &is_locked) < 0) child_fail(STAGE_TERMINAL, "/dev/pts/ptmx");
    child_terminal = ioctl(master, TIOCGPTPEER_, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (child_terminal < 0) child_fail(STAGE_TERMINAL, "/dev/pts");
    const struct winsize size = {.ws_row = plan->window[0], .ws_col = plan->window[1]};
    if (ioctl(child_terminal, TIOCSWINSZ, &size) < 0) child_fail(STAGE_TERMINAL, "/dev/pts");
    char mark = 'T';
    struct iovec part = {&mark, 1};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.header), &master, sizeof master);
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    if (sendmsg(report_fd, &message, MSG_NOSIGNAL) < 0) child_fail(STAGE_TERMINAL, "");
    close(master);
}

// --- rights

static void load_seccomp(const struct plan *plan) {
    if (!plan->seccomp) return;
    struct filter_program program = {(unsigned short)plan->seccomp_count, plan->seccomp};
    // SECCOMP_FILTER_FLAG_SPEC_ALLOW is not asked for: the default mitigation of the kernel holds.
    if (syscall(SYS_seccomp, 1 /* SET_MODE_FILTER */, 0, &program) < 0) child_fail(STAGE_SECCOMP, "");
}

static void drop_rights(const struct plan *plan) {
    const uint64_t capabilities = plan->capabilities;
    const int no_new_privileges = (plan->flags & PLAN_FLAG_NO_NEW_PRIVILEGES) != 0;
    // Without no_new_privs only CAP_SYS_ADMIN may load a filter: before it goes.
    if (!no_new_privileges) load_seccomp(plan);
    for (int capability = 0; capability < 64; capability++) {
        if (capabilities >> capability & 1) continue;
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) {
            if (errno == EINVAL) break; // beyond the kernel's last one
            child_fail(STAGE_CAPABILITIES, "bounding set");
        }
    }
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) child_fail(STAGE_CAPABILITIES, "ambient set");
    uint32_t uid = plan->user_count > 0 ? plan->user[0] : 0, gid = plan->user_count > 1 ? plan->user[1] : 0;
    // Straight to the kernel: libc's versions signal all threads, and there is one. Groups first: after the uid goes, so
    // does the right to change them.
    size_t groups = plan->user_count > 2 ? plan->user_count - 2 : 0;
    if (syscall(SYS_setgroups, groups, groups ? plan->user + 2 : NULL) < 0) child_fail(STAGE_USER, "supplementary groups");
    if (syscall(SYS_setresgid, gid, gid, gid) < 0) child_fail(STAGE_USER, "group");
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) child_fail(STAGE_USER, "user");
    if (syscall(SYS_setresuid, uid, uid, uid) < 0) child_fail(STAGE_USER, "user");
    prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
    struct {
        uint32_t version;
        int pid;
    } header = {0x20080522, 0};
    const uint32_t low = (uint32_t)capabilities, high = (uint32_t)(capabilities >> 32);
    const uint32_t sets[6] = {low, low, 0, high, high, 0}; // effective, permitted, inheritable
    if (syscall(SYS_capset, &header, sets) < 0) child_fail(STAGE_CAPABILITIES, "effective set");
}

// --- the program

// Closes all that the supervisor has open, except what this child needs: it is the pod's network, other containers' logs,
// folders of the node. Close-on-exec alone would keep it in reach until then (CVE-2024-21626).
static void close_others(const struct child_context *context) {
    int kept[8 + 16];
    size_t count = 0;
    const int own[] = {report_fd, context->in, context->out, context->err, context->join_pidfd};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (own[i] > 2) kept[count++] = own[i];
    for (size_t i = 0; i < context->pod_trees_count && count < sizeof kept / sizeof *kept; i++)
        kept[count++] = context->pod_trees[i];
    // Sorted, each is the end of a gap.
    for (size_t i = 1; i < count; i++)
        for (size_t j = i; j > 0 && kept[j] < kept[j - 1]; j--) {
            int other = kept[j];
            kept[j] = kept[j - 1];
            kept[j - 1] = other;
        }
    unsigned first = 3;
    for (size_t i = 0; i < count; i++) {
        if ((unsigned)kept[i] > first) syscall(SYS_close_range, first, (unsigned)kept[i] - 1, 0);
        first = (unsigned)kept[i] + 1;
    }
    if (syscall(SYS_close_range, first, ~0u, 0) < 0) child_fail(STAGE_DESCRIPTORS, "");
}

// The container's user may open what its /dev/stdout leads to.
static void give_away(int fd, uint32_t uid) {
    struct stat info;
    if (uid != 0 && fstat(fd, &info) == 0 && (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode)))
        (void)!fchown(fd, uid, (gid_t)-1);
}

// Leaves four descriptors open: input, output, and the report's, which a successful execve closes.
static void set_up_descriptors(const struct plan *plan, const struct child_context *context) {
    const uint32_t uid = plan->user_count > 0 ? plan->user[0] : 0;
    int in = context->in, out = context->out, err = context->err;
    if (child_terminal >= 0) {
        in = out = err = child_terminal;
        if (fchown(in, uid, (gid_t)-1) < 0 || ioctl(in, TIOCSCTTY, 0) < 0) child_fail(STAGE_TERMINAL, "");
    }
    if (in < 0) in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (in < 0) child_fail(STAGE_DESCRIPTORS, "/dev/null");
    // All three lie above 2: the supervisor sees to that.
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) child_fail(STAGE_DESCRIPTORS, "output");
    if (report_fd != 3) {
        if (dup3(report_fd, 3, O_CLOEXEC) < 0) child_fail(STAGE_DESCRIPTORS, "report");
        report_fd = 3;
    }
    if (syscall(SYS_close_range, 4, ~0u, 0) < 0) child_fail(STAGE_DESCRIPTORS, "");
    for (int fd = 0; fd < 3; fd++) give_away(fd, uid);
}

// As the container's user: a folder that it may not enter is no place to start in.
static void enter_directory(const char *path) {
    if (!path || !*path) return;
    if (chdir(path) < 0) child_fail(STAGE_WORKING_DIRECTORY, path);
    // No descriptor of a folder is open here through which a link could lead out; that it has not is checked all the same.
    char name[4096];
    long length = syscall(SYS_getcwd, name, sizeof name);
    if (length > 0 && name[0] != '/') {
        errno = EPERM;
        child_fail(STAGE_WORKING_DIRECTORY, path);
    }
}

static _Noreturn void execute(const struct plan *plan) {
    const char *program = plan->arguments[0];
    if (strchr(program, '/')) {
        execve(program, plan->arguments, plan->environment);
        child_fail(STAGE_EXEC, program);
    }
    const char *path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    for (char **variable = plan->environment; *variable; variable++)
        if (strncmp(*variable, "PATH=", 5) == 0) path = *variable + 5;
    int refused = 0;
    while (*program) {
        const char *end = strchrnul(path, ':');
        char full[4352];
        int length = snprintf(full, sizeof full, "%.*s%s%s", (int)(end - path), path, end == path ? "./" : "/", program);
        if (length > 0 && (size_t)length < sizeof full) {
            struct stat info;
            if (stat(full, &info) == 0 && !S_ISDIR(info.st_mode)) {
                execve(full, plan->arguments, plan->environment);
                if (errno != EACCES && errno != ENOENT) child_fail(STAGE_EXEC, full);
                refused = errno;
                if (errno == ENOENT) child_fail(STAGE_EXEC, full); // its interpreter
            }
        }
        if (!*end) break;
        path = end + 1;
    }
    errno = refused ? refused : ENOENT;
    child_fail(refused ? STAGE_EXEC : STAGE_LOOKUP, plan->arguments[0]);
}

_Noreturn void child_run(const struct plan *plan, const struct child_context *context) {
    report_fd = context->report_fd;
    // Ignored signals would stay ignored in the container's program. By the system call: the library refuses those that
    // it uses itself. The kernel's struct of zeros is SIG_DFL without flags and with an empty mask of 8 bytes.
    static const char defaults[32];
    for (int signal = 1; signal < 65; signal++)
        if (signal != SIGKILL && signal != SIGSTOP) syscall(SYS_rt_sigaction, signal, defaults, NULL, 8);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    umask(0);
    close_others(context);
    // Keys of the node's administrator would otherwise be the container's too. ENOSYS: a kernel without keys.
    if (syscall(SYS_keyctl, 1 /* JOIN_SESSION_KEYRING */, NULL) < 0 && errno != ENOSYS)
        child_fail(STAGE_NAMESPACE, "session keyring");
    const struct plan *place = plan->base ? plan->base : plan;
    for (struct plan_record *r = plan_next(place, NULL); r; r = plan_next(place, r))
        // "0" is the writer itself. Written from outside, the same move waits for a grace period (7 ms).
        if (r->type == PLAN_CGROUP_TASKS) write_file(STAGE_CGROUP, r->payload, "0");
    if (plan->oom_score) {
        int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
        // Lowering needs CAP_SYS_RESOURCE, which not every node has: the daemon knows, and says so once.
        if (fd < 0 || (write(fd, plan->oom_score, strlen(plan->oom_score)) < 0 && errno != EACCES && errno != EPERM))
            child_fail(STAGE_OOM_SCORE, plan->oom_score);
        close(fd);
    }
    if (context->join_pidfd >= 0) {
        if (syscall(SYS_setns, context->join_pidfd, CLONE_NEWNS | CLONE_NEWCGROUP) < 0)
            child_fail(STAGE_NAMESPACE, "container");
        if (chdir("/") < 0) child_fail(STAGE_NAMESPACE, "/");
        if (plan->flags & PLAN_FLAG_TERMINAL)
            child_open_terminal(plan, open("/dev/pts", O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    } else {
        // After the cgroups are joined: what is its root here is "/" there.
        if ((plan->flags & PLAN_FLAG_NEW_CGROUP) && syscall(SYS_unshare, CLONE_NEWCGROUP) < 0)
            child_fail(STAGE_NAMESPACE, "cgroup");
        build_root(plan, context);
    }
    umask(022);
    set_up_descriptors(plan, context);
    drop_rights(plan);
    // Without its supervisor nobody would hear of its end. After the change of user, which clears this.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    enter_directory(plan->directory);
    if (plan->flags & PLAN_FLAG_NO_NEW_PRIVILEGES) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) child_fail(STAGE_CAPABILITIES, "no_new_privs");
        load_seccomp(plan);
    }
    execute(plan);
}
