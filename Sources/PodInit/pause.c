// With shareProcessNamespace, PID 1 of the pod: it reaps, and holds the PID namespace. It sees nothing of the host.
#define _GNU_SOURCE
#include "linux.h"
#include "podinit.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

// Moves into an empty file system of its own: /proc/1/root is for everybody in the pod to try.
static int enter_void(void) {
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return -1;
    int fs = fsopen_("tmpfs");
    if (fs < 0 || fsconfig_set(fs, "size", "4096") < 0 || fsconfig_create(fs) < 0) return -1;
    int tree = fsmount_(fs, MOUNT_ATTR_RDONLY_ | MOUNT_ATTR_NOSUID_ | MOUNT_ATTR_NODEV_ | MOUNT_ATTR_NOEXEC_);
    if (tree < 0 || move_mount_(tree, AT_FDCWD, "/proc") < 0) return -1;
    if (fchdir(tree) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0) return -1;
    return chdir("/");
}

static _Noreturn void run(char **arguments) {
    prctl(PR_SET_NAME, "pause");
    // The arguments name the node's folders, and the pod's containers can read them.
    for (char **argument = arguments; *argument; argument++) memset(*argument, 0, strlen(*argument));
    strcpy(arguments[0], "pause");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int status = enter_void();
    for (int capability = 0; capability < 64; capability++) prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    struct {
        uint32_t version;
        int pid;
    } header = {0x20080522, 0};
    uint32_t none[6] = {0};
    if (syscall(SYS_capset, &header, none) < 0 || status < 0) _exit(1);
    syscall(SYS_close_range, 0, ~0u, 0);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_SETMASK, &set, NULL);
    for (;;) {
        while (waitpid(-1, NULL, WNOHANG) > 0) {}
        siginfo_t info;
        sigwaitinfo(&set, &info);
    }
}

int pause_start(char **argv) {
    struct clone_arguments arguments = {.flags = CLONE_NEWPID | CLONE_NEWNS, .exit_signal = SIGCHLD};
    int pid = (int)syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0) run(argv);
    return pid;
}
