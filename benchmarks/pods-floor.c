// The floor under a pod's start: a bare C program that makes the kernel calls that a pod needs, in one process, without
// protocol, records of ends or logs. What a container's child does is the supervisor's own code.
//   pods-floor ROOTFS FOLDER COUNT GAP_MS
// Runs in a network namespace of its own. Prints "start <µs>" and "stop <µs>" for each pod; the network is made in the gap.
#define _GNU_SOURCE
#include "../Sources/PodInit/child.c"
#include "../Sources/PodInit/plan.c"
#include "../Sources/PodInit/root.c"
#include "../Sources/PodInit/volumes.c"
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

int state_directory = -1;
static const char *const hierarchies[] = {"cpu", "cpuacct", "memory", "pids", "devices", "unified"};
enum { HIERARCHIES = 6, UNIFIED = 5, DEVICES = 4 };

static _Noreturn void die(const char *what) {
    perror(what);
    exit(1);
}
static double now_micros(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

// --- network

struct batch {
    char bytes[4096];
    size_t count;
    int messages;
};
static struct nlmsghdr *last;
static void *message(struct batch *b, int type, int flags, const void *body, size_t count) {
    last = (struct nlmsghdr *)(b->bytes + b->count);
    memset(last, 0, NLMSG_SPACE(count));
    last->nlmsg_type = (uint16_t)type;
    last->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    last->nlmsg_len = (uint32_t)NLMSG_LENGTH(count);
    memcpy(NLMSG_DATA(last), body, count);
    b->count += NLMSG_SPACE(count);
    b->messages++;
    return last;
}
static struct rtattr *attribute(struct batch *b, int type, const void *value, size_t count) {
    struct rtattr *a = (struct rtattr *)(b->bytes + b->count);
    memset(a, 0, RTA_SPACE(count));
    a->rta_type = (unsigned short)type;
    a->rta_len = (unsigned short)RTA_LENGTH(count);
    if (count) memcpy(RTA_DATA(a), value, count);
    b->count += RTA_SPACE(count);
    last->nlmsg_len = (uint32_t)(b->bytes + b->count - (char *)last);
    return a;
}
static void close_nest(struct batch *b, struct rtattr *nest) {
    nest->rta_len = (unsigned short)(b->bytes + b->count - (char *)nest);
}
static void execute_batch(int fd, struct batch *b) {
    if (send(fd, b->bytes, b->count, 0) < 0) die("netlink");
    for (int heard = 0; heard < b->messages;) {
        char bytes[8192];
        ssize_t count = recv(fd, bytes, sizeof bytes, 0);
        if (count < 0) die("netlink");
        for (struct nlmsghdr *h = (struct nlmsghdr *)bytes; NLMSG_OK(h, count); h = NLMSG_NEXT(h, count), heard++) {
            const int code = h->nlmsg_type == NLMSG_ERROR ? ((struct nlmsgerr *)NLMSG_DATA(h))->error : 0;
            errno = -code;
            if (code) die("netlink answer");
        }
    }
}
static void add_route(struct batch *b, uint32_t to, int length, int link, uint32_t gateway, uint32_t source) {
    struct rtmsg route = {.rtm_family = AF_INET, .rtm_dst_len = (uint8_t)length, .rtm_table = RT_TABLE_MAIN,
                          .rtm_protocol = 99, .rtm_type = RTN_UNICAST,
                          .rtm_scope = gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK};
    message(b, RTM_NEWROUTE, NLM_F_CREATE, &route, sizeof route);
    if (length) attribute(b, RTA_DST, &to, 4);
    attribute(b, RTA_OIF, &link, 4);
    if (gateway) attribute(b, RTA_GATEWAY, &gateway, 4);
    if (source) attribute(b, RTA_PREFSRC, &source, 4);
}
static void add_neighbour(struct batch *b, int link, uint32_t address, const uint8_t *hardware) {
    struct ndmsg neighbour = {.ndm_family = AF_INET, .ndm_ifindex = link, .ndm_state = NUD_PERMANENT};
    message(b, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &neighbour, sizeof neighbour);
    attribute(b, NDA_DST, &address, 4);
    attribute(b, NDA_LLADDR, hardware, 6);
}
static void set_up(struct batch *b, int link) {
    struct ifinfomsg info = {.ifi_index = link, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    message(b, RTM_NEWLINK, 0, &info, sizeof info);
}

static int host_netlink, host_namespace;
static int make_network(unsigned number) {
    static const uint8_t near[6] = {2, 0x73, 0x77, 0x6c, 0, 1};
    const uint8_t far[6] = {2, 0x73, 10, 99, (uint8_t)(number >> 8), (uint8_t)number};
    const uint32_t address = htonl(0x0a630000 + number), gateway = htonl(0xa9fe0101);
    char name[16];
    snprintf(name, sizeof name, "swlfl%08x", number);
    if (unshare(CLONE_NEWNET) < 0) die("unshare");
    int namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int pod = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (setns(host_namespace, CLONE_NEWNET) < 0) die("setns");
    struct batch b = {0};
    struct ifinfomsg info = {0};
    message(&b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof info);
    attribute(&b, IFLA_IFNAME, name, strlen(name) + 1);
    attribute(&b, IFLA_ADDRESS, near, 6);
    struct rtattr *kind = attribute(&b, IFLA_LINKINFO, NULL, 0);
    attribute(&b, IFLA_INFO_KIND, "veth", 4);
    struct rtattr *data = attribute(&b, IFLA_INFO_DATA, NULL, 0);
    struct rtattr *peer = attribute(&b, VETH_INFO_PEER, &info, sizeof info);
    attribute(&b, IFLA_IFNAME, "eth0", 5);
    attribute(&b, IFLA_ADDRESS, far, 6);
    attribute(&b, IFLA_NET_NS_FD, &namespace, 4);
    close_nest(&b, peer);
    close_nest(&b, data);
    close_nest(&b, kind);
    execute_batch(host_netlink, &b);
    const int link = (int)if_nametoindex(name);
    b = (struct batch){0};
    set_up(&b, 1);
    set_up(&b, 2);
    struct ifaddrmsg own = {.ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = 2};
    message(&b, RTM_NEWADDR, NLM_F_CREATE, &own, sizeof own);
    attribute(&b, IFA_LOCAL, &address, 4);
    attribute(&b, IFA_ADDRESS, &address, 4);
    add_neighbour(&b, 2, gateway, near);
    add_route(&b, gateway, 32, 2, 0, address);
    add_route(&b, 0, 0, 2, gateway, address);
    execute_batch(pod, &b);
    close(pod);
    b = (struct batch){0};
    set_up(&b, link);
    add_neighbour(&b, link, address, far);
    add_route(&b, address, 32, link, 0, 0);
    execute_batch(host_netlink, &b);
    return namespace;
}

// --- cgroups

static void group_path(char *path, size_t size, int hierarchy, unsigned number, const char *rest) {
    snprintf(path, size, "/sys/fs/cgroup/%s/swlfloor/pod%u%s", hierarchies[hierarchy], number, rest);
}
static void write_group(const char *folder, const char *file, const char *value) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, value, strlen(value)) < 0) die(path);
    close(fd);
}
static void make_groups(unsigned number, const char *rest) {
    static const char *const allowed[] = {"c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm",
                                          "c 1:9 rwm", "c 5:0 rwm", "c 5:1 rwm", "c 5:2 rwm", "c 136:* rwm"};
    char path[256];
    for (int i = 0; i < HIERARCHIES; i++) {
        group_path(path, sizeof path, i, number, rest);
        if (mkdir(path, 0755) < 0) die(path);
        if (i != DEVICES || !*rest) continue;
        write_group(path, "devices.deny", "a");
        for (size_t j = 0; j < sizeof allowed / sizeof *allowed; j++) write_group(path, "devices.allow", allowed[j]);
    }
}
static void remove_groups(unsigned number) {
    char path[256];
    for (int i = 0; i < HIERARCHIES; i++)
        for (int inner = 1; inner >= 0; inner--) {
            group_path(path, sizeof path, i, number, inner ? "/c" : "");
            for (int round = 0; rmdir(path) < 0 && errno == EBUSY && round < 1000; round++) usleep(200);
        }
}

// --- a pod

static char plan_bytes[16384];
static size_t plan_count;
static void add(int type, const void *payload, size_t count) {
    const uint16_t kinds[2] = {(uint16_t)type, 0};
    const uint32_t length = (uint32_t)count;
    memcpy(plan_bytes + plan_count, kinds, 4);
    memcpy(plan_bytes + plan_count + 4, &length, 4);
    memset(plan_bytes + plan_count + 8, 0, (count + 7) & ~(size_t)7);
    memcpy(plan_bytes + plan_count + 8, payload, count);
    plan_count += 8 + ((count + 7) & ~(size_t)7);
}
static void add_text(int type, const char *text) { add(type, text, strlen(text) + 1); }
static void add_mount(int kind, unsigned flags, const char *source, const char *target) {
    char bytes[1024];
    struct plan_mount mount = {.kind = (uint32_t)kind, .flags = flags, .size = kind == MOUNT_TMPFS ? 4096 : 0,
                               .mode = kind == MOUNT_TMPFS ? 0755 : 0, .source = (uint32_t)strlen(source) + 1};
    memcpy(bytes, &mount, sizeof mount);
    strcpy(bytes + sizeof mount, source);
    strcpy(bytes + sizeof mount + mount.source, target);
    add(PLAN_MOUNT, bytes, sizeof mount + mount.source + strlen(target) + 1);
}
static void make_plan(unsigned number, const char *rootfs, const char *folder, uint64_t features) {
    static const char *const masked[] = {"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys",
        "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi",
        "/sys/firmware", "/sys/devices/virtual/powercap"};
    static const char *const frozen_paths[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
    const uint32_t head[2] = {PLAN_MAGIC, PROTOCOL_MAJOR};
    char path[512], id[ID_LENGTH + 1];
    memcpy(plan_bytes, head, 8);
    plan_count = 8;
    snprintf(id, sizeof id, "%064x", number);
    add_text(PLAN_ID, id);
    const uint64_t flags = PLAN_FLAG_NEW_PID | PLAN_FLAG_NEW_CGROUP | features;
    add(PLAN_FLAGS, &flags, 8);
    add_text(PLAN_LAYER, rootfs);
    snprintf(path, sizeof path, "%s/upper", folder);
    add_text(PLAN_UPPER, path);
    snprintf(path, sizeof path, "%s/work", folder);
    add_text(PLAN_WORK, path);
    snprintf(path, sizeof path, "%s/root", folder);
    add_text(PLAN_ROOT, path);
    const unsigned quiet = MOUNT_NO_SUID | MOUNT_NO_DEV | MOUNT_NO_EXEC | MOUNT_SYSTEM;
    add_mount(MOUNT_PROC, quiet, "", "/proc");
    add_mount(MOUNT_DEV, MOUNT_NO_SUID | MOUNT_SYSTEM, "", "/dev");
    add_mount(MOUNT_POD_TMPFS, quiet, "shm", "/dev/shm");
    add_mount(MOUNT_MQUEUE, quiet, "", "/dev/mqueue");
    add_mount(MOUNT_SYSFS, quiet | MOUNT_READ_ONLY, "", "/sys");
    add_mount(MOUNT_TMPFS, quiet | MOUNT_FREEZE, "", "/sys/fs/cgroup");
    for (int i = 0; i < 4; i++) {
        char target[64];
        group_path(path, sizeof path, i, number, "/c");
        snprintf(target, sizeof target, "/sys/fs/cgroup/%s", hierarchies[i]);
        add_mount(MOUNT_BIND, quiet | MOUNT_READ_ONLY, path, target);
    }
    static const char *const files[] = {"/dev/termination-log", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"};
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/file%d", folder, i);
        add_mount(MOUNT_BIND, 0, path, files[i]);
    }
    for (size_t i = 0; i < sizeof masked / sizeof *masked; i++) add_text(PLAN_MASK, masked[i]);
    for (size_t i = 0; i < sizeof frozen_paths / sizeof *frozen_paths; i++) add_text(PLAN_READ_ONLY, frozen_paths[i]);
    add_text(PLAN_ARGUMENT, "/bin/sleep");
    add_text(PLAN_ARGUMENT, "36000");
    add_text(PLAN_ENVIRONMENT, "PATH=/bin");
    add_text(PLAN_DIRECTORY, "/");
    const uint32_t user[2] = {0, 0};
    add(PLAN_USER, user, sizeof user);
    const uint64_t capabilities = 0xa80425fb;
    add(PLAN_CAPABILITIES, &capabilities, 8);
    for (int i = 0; i < UNIFIED; i++) {
        group_path(path, sizeof path, i, number, "/c/tasks");
        add_text(PLAN_CGROUP_TASKS, path);
    }
    add_text(PLAN_OOM_SCORE, "1000");
}

static void make_files(const char *folder) {
    char path[512];
    if (mkdir(folder, 0700) < 0) die(folder);
    const char *const names[] = {"upper", "work", "root"};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (mkdir(path, 0755) < 0) die(path);
    }
    // Record, last words, hosts, host name, resolver, log: written, not synced.
    for (int i = 0; i < 6; i++) {
        snprintf(path, sizeof path, "%s/file%d", folder, i);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0 || write(fd, plan_bytes, 500) < 0) die(path);
        close(fd);
    }
}

// Holds the pod's namespaces, like its supervisor, and parents the container.
static _Noreturn void hold(unsigned number, int network, const struct plan *plan, int ready) {
    char path[256];
    setsid();
    for (int i = 0; i < UNIFIED; i++) {
        group_path(path, sizeof path, i, number, "");
        write_group(path, "tasks", "0");
    }
    if (setns(network, CLONE_NEWNET) < 0 || unshare(CLONE_NEWIPC | CLONE_NEWUTS) < 0 || sethostname("floor", 5) < 0)
        die("namespaces");
    group_path(path, sizeof path, UNIFIED, number, "/c");
    int group = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), report[2], pipes[2][2], tree = pod_tmpfs_clone("shm", 64 << 20);
    if (group < 0 || tree < 0 || pipe2(report, O_CLOEXEC) < 0 || pipe2(pipes[0], O_CLOEXEC) < 0
        || pipe2(pipes[1], O_CLOEXEC) < 0)
        die("descriptors");
    struct clone_arguments arguments = {.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_INTO_CGROUP_,
                                        .exit_signal = SIGCHLD, .cgroup = (uint64_t)group};
    pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0) {
        struct child_context context = {.report_fd = report[1], .in = -1, .out = pipes[0][1], .err = pipes[1][1],
                                        .pod_trees = &tree, .pod_trees_count = 1, .join_pidfd = -1};
        child_run(plan, &context);
    }
    close(report[1]);
    struct failure_report failure;
    if (pid < 0 || read(report[0], &failure, sizeof failure) != 0) {
        if (pid > 0) fprintf(stderr, "stage %u: %s %s\n", failure.stage, strerror(failure.error), failure.subject);
        _exit(1);
    }
    if (write(ready, &pid, sizeof pid) < 0) _exit(1);
    waitpid(pid, NULL, 0);
    _exit(0);
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    const char *rootfs = argv[1], *base = argv[2];
    const int count = atoi(argv[3]), gap_ms = atoi(argv[4]);
    char path[512], folder[512];
    host_netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    host_namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < HIERARCHIES; i++) {
        snprintf(path, sizeof path, "/sys/fs/cgroup/%s/swlfloor", hierarchies[i]);
        if (mkdir(path, 0755) < 0 && errno != EEXIST) die(path);
    }
    // The newest way first, as the daemon's start-up probe has it.
    uint64_t features = PLAN_FLAG_DETACHED | PLAN_FLAG_LOWERDIR_ADD;
    for (int i = 1; i <= count; i++) {
        const unsigned number = (unsigned)i + 4;
        int network = make_network(number);
        usleep((useconds_t)gap_ms * 1000);
        const double began = now_micros();
        snprintf(folder, sizeof folder, "%s/pod%u", base, number);
        make_groups(number, "");
        make_files(folder);
        make_groups(number, "/c");
        make_plan(number, rootfs, folder, features);
        int file = memfd_create("plan", MFD_CLOEXEC), ready[2];
        struct plan plan;
        if (file < 0 || write(file, plan_bytes, plan_count) < 0 || plan_open(&plan, file) < 0 || pipe2(ready, O_CLOEXEC) < 0)
            die("plan");
        group_path(path, sizeof path, UNIFIED, number, "");
        int group = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct clone_arguments arguments = {.flags = CLONE_INTO_CGROUP_, .exit_signal = SIGCHLD, .cgroup = (uint64_t)group};
        pid_t holder = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments), pid;
        if (holder == 0) hold(number, network, &plan, ready[1]);
        close(ready[1]);
        if (read(ready[0], &pid, sizeof pid) != sizeof pid) die("pod");
        printf("start %.1f\n", now_micros() - began);
        close(ready[0]);
        close(network);
        close(file);
        close(group);
        plan_close(&plan);
        usleep((useconds_t)gap_ms * 1000);
        const double ended = now_micros();
        kill(pid, SIGKILL);
        while (waitpid(holder, NULL, 0) < 0 && errno == EINTR) {}
        remove_groups(number);
        char trash[600];
        snprintf(trash, sizeof trash, "%s/trash%u", base, number);
        rename(folder, trash);
        printf("stop %.1f\n", now_micros() - ended);
        fflush(stdout);
    }
    for (int i = 0; i < HIERARCHIES; i++) {
        snprintf(path, sizeof path, "/sys/fs/cgroup/%s/swlfloor", hierarchies[i]);
        rmdir(path);
    }
}
