// Runs a program as on a kernel without nf_tables: no-nftables PROGRAM ARGUMENTS...
// A filter answers socket(AF_NETLINK, ..., NETLINK_NETFILTER) with EPROTONOSUPPORT, as such a kernel does.
#include <errno.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FIELD(name) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, name))
#define OTHER(value, steps) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, steps)

int main(int argc, char **argv) {
    struct sock_filter code[] = {
        FIELD(nr), OTHER(SYS_socket, 5),
        FIELD(args[0]), OTHER(AF_NETLINK, 3),
        FIELD(args[2]), OTHER(NETLINK_NETFILTER, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPROTONOSUPPORT),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    if (argc < 2 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
        perror("no-nftables");
        return 1;
    }
    execv(argv[1], argv + 1);
    perror(argv[1]);
    return 1;
}
