// Speaks the supervisor's protocol as a daemon would, and checks what it answers: podinit-client PODINIT FOLDER
// Copied into the container's root it is also the container's program: podinit-client VERB...
#define _GNU_SOURCE
#include "../Sources/PodInit/protocol.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define POD_UID "11111111-2222-3333-4444-555555555555"
#define PATIENCE_MS 10000

// --- the program inside

static volatile sig_atomic_t is_resized;
static void on_resize(int signal) { is_resized = signal; }

static void print_size(void) {
    struct winsize size = {0};
    ioctl(0, TIOCGWINSZ, &size);
    printf("size %d %d\n", size.ws_row, size.ws_col);
}

static int inside(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *verb = argv[1];
    if (strcmp(verb, "wait") == 0) {
        for (;;) pause();
    } else if (strcmp(verb, "who") == 0) { // who NAME...: user, folder, variables, rights
        gid_t groups[8];
        int count = getgroups(8, groups);
        printf("uid %d gid %d groups", getuid(), getgid());
        for (int i = 0; i < count; i++) printf(" %d", groups[i]);
        char folder[256], line[256];
        printf("\nfolder %s\n", getcwd(folder, sizeof folder));
        for (int i = 2; i < argc; i++) printf("%s=%s\n", argv[i], getenv(argv[i]) ? getenv(argv[i]) : "<none>");
        FILE *status = fopen("/proc/self/status", "r");
        while (status && fgets(line, sizeof line, status))
            if (strncmp(line, "CapBnd", 6) == 0 || strncmp(line, "NoNewPrivs", 10) == 0) fputs(line, stdout);
        fprintf(stderr, "errors\n");
        return 7;
    } else if (strcmp(verb, "echo") == 0) { // until the end of its input
        char line[256];
        while (fgets(line, sizeof line, stdin)) printf("got %s", line);
        printf("over\n");
        return 3;
    } else if (strcmp(verb, "terminal") == 0) { // tells its size, at first and after each change, until a line comes
        struct sigaction action = {.sa_handler = on_resize};
        sigset_t held, before;
        sigemptyset(&held);
        sigaddset(&held, SIGWINCH);
        // Only heard while it waits: none comes between a look and a wait.
        sigprocmask(SIG_BLOCK, &held, &before);
        sigaction(SIGWINCH, &action, NULL);
        printf("terminal %d %d %d %s\n", isatty(0), isatty(1), isatty(2), ttyname(0));
        print_size();
        char line[256];
        struct pollfd input = {0, POLLIN, 0};
        while (ppoll(&input, 1, NULL, &before) < 0) {
            if (errno != EINTR || !is_resized) return 8;
            is_resized = 0;
            print_size();
        }
        if (!fgets(line, sizeof line, stdin)) return 8;
        printf("line %s", line);
        return 9;
    } else if (strcmp(verb, "flood") == 0) { // flood COUNT: so many numbered lines
        int count = atoi(argv[2]);
        setvbuf(stdout, NULL, _IOFBF, 1 << 16);
        for (int i = 0; i < count; i++) printf("%07d 0123456789012345678901234567890123456789012345678901\n", i);
        fflush(stdout);
        return 0;
    }
    return 2;
}

// --- checks

static int failures;
static void check(int is_true, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    printf(is_true ? "ok " : "not ok ");
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    fflush(stdout);
    failures += !is_true;
}
static _Noreturn void give_up(const char *what) {
    printf("not ok %s: %s\n", what, strerror(errno));
    exit(1);
}

// --- talking

static int connection = -1;
static uint32_t last_request;
struct packet {
    struct message_header header;
    char body[4096];
    int fd;
};

static void send_raw(const void *bytes, size_t count, const int *fds, int fds_count) {
    struct iovec part = {(void *)bytes, count};
    char control[CMSG_SPACE(4 * sizeof(int))] = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fds_count > 0) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE((size_t)fds_count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN((size_t)fds_count * sizeof(int));
        memcpy(CMSG_DATA(header), fds, (size_t)fds_count * sizeof(int));
    }
    if (sendmsg(connection, &message, MSG_NOSIGNAL) < 0) give_up("send");
}

static uint32_t request(int type, const void *body, size_t count, const int *fds, int fds_count) {
    char bytes[4096];
    struct message_header header = {(uint32_t)(sizeof header + count), (uint16_t)type, 0, ++last_request};
    memcpy(bytes, &header, sizeof header);
    if (count) memcpy(bytes + sizeof header, body, count);
    send_raw(bytes, header.length, fds, fds_count);
    return header.request;
}

static struct packet receive(void) {
    struct packet packet = {.fd = -1};
    struct pollfd poll_one = {connection, POLLIN, 0};
    if (poll(&poll_one, 1, PATIENCE_MS) != 1) {
        errno = ETIMEDOUT;
        give_up("hear");
    }
    struct iovec part = {&packet, sizeof packet.header + sizeof packet.body};
    char control[CMSG_SPACE(sizeof(int))];
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    if (recvmsg(connection, &message, MSG_CMSG_CLOEXEC) <= 0) give_up("hear");
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_type == SCM_RIGHTS) memcpy(&packet.fd, CMSG_DATA(header), sizeof(int));
    return packet;
}

// The answer to a request; events that come before it are kept.
static struct container_report ends[64];
static int ends_count;
static struct packet answer(uint32_t number) {
    for (;;) {
        struct packet packet = receive();
        if (packet.header.type == MSG_EXITED) memcpy(&ends[ends_count++ % 64], packet.body, sizeof *ends);
        else if (packet.header.request == number) return packet;
    }
}
static struct container_report end_of(const char *id) {
    for (;;) {
        for (int i = 0; i < ends_count && i < 64; i++)
            if (memcmp(ends[i].id, id, ID_LENGTH) == 0) return ends[i];
        struct packet packet = receive();
        if (packet.header.type == MSG_EXITED) memcpy(&ends[ends_count++ % 64], packet.body, sizeof *ends);
    }
}
static struct failure_report failure_of(const struct packet *packet) {
    struct failure_report report = {0};
    if (packet->header.type == MSG_FAILED) memcpy(&report, packet->body, sizeof report);
    return report;
}

static char folder[512];
static void dial(void) {
    connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%.90s/podinit.sock", folder);
    if (connect(connection, (struct sockaddr *)&address, sizeof address) < 0) give_up("connect");
    struct packet hello = receive();
    uint32_t magic;
    uint16_t version[2];
    memcpy(&magic, hello.body, 4);
    memcpy(version, hello.body + 4, 4);
    check(hello.header.type == MSG_HELLO && magic == PROTOCOL_MAGIC && version[0] == 1
              && memcmp(hello.body + 12, POD_UID, sizeof POD_UID - 1) == 0
              && hello.header.length == sizeof hello.header + 12 + sizeof POD_UID - 1,
          "it says hello: magic, version %d.%d, the pod's uid", version[0], version[1]);
}

// --- plans

static char plan[16384];
static size_t plan_count;
static void add(int type, const void *payload, size_t count) {
    uint16_t kinds[2] = {(uint16_t)type, 0};
    uint32_t length = (uint32_t)count;
    memcpy(plan + plan_count, kinds, 4);
    memcpy(plan + plan_count + 4, &length, 4);
    memcpy(plan + plan_count + 8, payload, count);
    plan_count += 8 + ((count + 7) & ~(size_t)7);
}
static void add_text(int type, const char *text) { add(type, text, strlen(text) + 1); }
static void add_mount(int kind, const char *target) {
    char bytes[256] = {0};
    struct plan_mount mount = {.kind = (uint32_t)kind, .flags = MOUNT_SYSTEM, .source = 1};
    memcpy(bytes, &mount, sizeof mount);
    strcpy(bytes + sizeof mount + 1, target);
    add(PLAN_MOUNT, bytes, sizeof mount + 1 + strlen(target) + 1);
}
static void begin_plan(const char *id) {
    memset(plan, 0, sizeof plan);
    const uint32_t head[2] = {PLAN_MAGIC, PROTOCOL_MAJOR};
    memcpy(plan, head, 8);
    plan_count = 8;
    add_text(PLAN_ID, id);
}
static int plan_file(void) {
    int fd = memfd_create("plan", MFD_CLOEXEC);
    if (fd < 0 || write(fd, plan, plan_count) != (ssize_t)plan_count) give_up("plan");
    return fd;
}
static char *new_id(void) {
    static unsigned number;
    char *id = malloc(ID_LENGTH + 1);
    snprintf(id, ID_LENGTH + 1, "%064x", 0xa0000 + number++);
    return id;
}

// arguments: ends with NULL
static struct packet start(const char *id, uint64_t flags, const char *const *arguments) {
    char path[600];
    begin_plan(id);
    flags |= PLAN_FLAG_NEW_PID | PLAN_FLAG_NO_NEW_PRIVILEGES;
    add(PLAN_FLAGS, &flags, 8);
    snprintf(path, sizeof path, "%s/rootfs", folder);
    add_text(PLAN_LAYER, path);
    const char *const names[] = {"upper", "work", "root"};
    const int types[] = {PLAN_UPPER, PLAN_WORK, PLAN_ROOT};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s-%s", folder, names[i], id);
        mkdir(path, 0755);
        add_text(types[i], path);
    }
    add_mount(MOUNT_PROC, "/proc");
    add_mount(MOUNT_DEV, "/dev");
    for (; *arguments; arguments++) add_text(PLAN_ARGUMENT, *arguments);
    add_text(PLAN_ENVIRONMENT, "A=container");
    add_text(PLAN_ENVIRONMENT, "B=container");
    add_text(PLAN_DIRECTORY, "/srv");
    const uint32_t user[] = {1000, 1001, 5, 7};
    add(PLAN_USER, user, sizeof user);
    const uint64_t capabilities = 1;
    add(PLAN_CAPABILITIES, &capabilities, 8);
    char log[700] = {0};
    const uint64_t size = 1 << 20;
    const uint32_t files = 2;
    memcpy(log, &size, 8);
    memcpy(log + 8, &files, 4);
    snprintf(log + 16, sizeof log - 16, "%s/%s.log", folder, id);
    add(PLAN_LOG, log, 16 + strlen(log + 16) + 1);
    int fd = plan_file();
    struct packet packet = answer(request(MSG_START, NULL, 0, &fd, 1));
    close(fd);
    if (packet.header.type == MSG_FAILED) {
        struct failure_report failure = failure_of(&packet);
        printf("# start: stage %u, %s, %s\n", failure.stage, strerror(failure.error), failure.subject);
    }
    return packet;
}
#define START(id, flags, ...) start(id, flags, (const char *const[]){"/bin/client", __VA_ARGS__, NULL})

struct streams {
    int in, out, err;
};
static struct packet execute(const char *id, const char *target, int with_terminal, struct streams *streams,
                             const char *const *arguments) {
    begin_plan(id);
    add_text(PLAN_TARGET, target);
    const uint64_t flags = with_terminal ? PLAN_FLAG_TERMINAL : 0;
    add(PLAN_FLAGS, &flags, 8);
    for (; *arguments; arguments++) add_text(PLAN_ARGUMENT, *arguments);
    add_text(PLAN_ENVIRONMENT, "B=exec");
    int fds[4] = {plan_file()}, pipes[3][2];
    if (with_terminal) {
        struct packet packet = answer(request(MSG_EXEC, NULL, 0, fds, 1));
        close(fds[0]);
        return packet;
    }
    for (int i = 0; i < 3; i++) {
        if (pipe2(pipes[i], O_CLOEXEC) < 0) give_up("pipe");
        fds[i + 1] = pipes[i][i == 0 ? 0 : 1];
    }
    struct packet packet = answer(request(MSG_EXEC, NULL, 0, fds, 4));
    for (int i = 0; i < 4; i++) close(fds[i]);
    *streams = (struct streams){pipes[0][1], pipes[1][0], pipes[2][0]};
    return packet;
}
#define EXECUTE(id, target, with_terminal, streams, ...) \
    execute(id, target, with_terminal, streams, (const char *const[]){"/bin/client", __VA_ARGS__, NULL})

static struct packet attach(const char *id, uint32_t flags, struct streams *streams) {
    struct attach_request asked = {.flags = flags};
    memcpy(asked.id, id, ID_LENGTH);
    int fds[2], count = 0, pipes[2][2];
    for (int i = 0; i < 2; i++) {
        if (!(flags & (i == 0 ? ATTACH_OUTPUT : ATTACH_ERRORS))) continue;
        if (pipe2(pipes[i], O_CLOEXEC) < 0) give_up("pipe");
        *(i == 0 ? &streams->out : &streams->err) = pipes[i][0];
        fds[count++] = pipes[i][1];
    }
    struct packet packet = answer(request(MSG_ATTACH, &asked, sizeof asked, fds, count));
    for (int i = 0; i < count; i++) close(fds[i]);
    streams->in = packet.fd;
    return packet;
}
static uint32_t flags_of(const struct packet *packet) {
    uint32_t flags = 0;
    if (packet->header.type == MSG_ATTACHED) memcpy(&flags, packet->body, 4);
    return flags;
}

// --- reading

static char text[8 << 20];
// Reads to the end, or until the text holds that.
static const char *read_text(int fd, const char *until) {
    size_t count = 0;
    text[0] = 0;
    for (;;) {
        struct pollfd poll_one = {fd, POLLIN, 0};
        if (poll(&poll_one, 1, PATIENCE_MS) != 1) break;
        ssize_t received = read(fd, text + count, sizeof text - 1 - count);
        if (received <= 0) break; // of a terminal that is hung up it is EIO
        count += (size_t)received;
        text[count] = 0;
        if (until && strstr(text, until)) break;
    }
    return text;
}
static int has(const char *what) { return strstr(text, what) != NULL; }
static void say_line(int fd, const char *line) {
    if (write(fd, line, strlen(line)) != (ssize_t)strlen(line)) give_up("write");
}
static int log_has(const char *id, const char *what) {
    char path[700];
    snprintf(path, sizeof path, "%s/%s.log", folder, id);
    int fd = open(path, O_RDONLY);
    if (fd < 0) return 0;
    read_text(fd, NULL);
    close(fd);
    return has(what);
}

// --- the tests

static void test_unknown_messages(void) {
    char bytes[256] = {0};
    struct message_header unknown = {sizeof unknown + 9, 4711, 0, ++last_request}, list = {sizeof list, MSG_LIST, 0, 0};
    list.request = ++last_request;
    memcpy(bytes, &unknown, sizeof unknown);
    memcpy(bytes + unknown.length, &list, sizeof list);
    send_raw(bytes, unknown.length + sizeof list, NULL, 0);
    struct packet first = receive(), second = receive();
    check(first.header.type == MSG_UNKNOWN && first.header.request == unknown.request, "an unknown message is named");
    check(second.header.type == MSG_DONE && second.header.request == list.request, "and the one behind it is answered");
}

static void test_exec(const char *target) {
    char *id = new_id();
    struct streams s;
    struct packet packet = EXECUTE(id, target, 0, &s, "who", "A", "B");
    check(packet.header.type == MSG_STARTED, "a program is executed in a container");
    read_text(s.out, NULL);
    check(has("uid 1000 gid 1001 groups 5 7\n"), "it has the container's user and groups");
    check(has("folder /srv\n") && has("A=container\n") && has("B=exec\n"),
          "the container's folder and variables, and its own over them");
    check(has("CapBnd:\t0000000000000001\n") && has("NoNewPrivs:\t1\n"), "and the container's rights");
    read_text(s.err, NULL);
    check(strcmp(text, "errors\n") == 0, "its two outputs are apart");
    check(end_of(id).exit_code == 7, "its exit code is told");

    id = new_id();
    EXECUTE(id, target, 0, &s, "echo");
    say_line(s.in, "one\n");
    read_text(s.out, "got one\n");
    check(has("got one\n") && !has("over"), "it takes input as it comes");
    close(s.in);
    read_text(s.out, NULL);
    check(has("over\n") && end_of(id).exit_code == 3, "and hears the end of its input while its output goes on");

    packet = execute(new_id(), target, 0, &s, (const char *const[]){"/bin/nosuch", NULL});
    struct failure_report failure = failure_of(&packet);
    check(failure.stage == STAGE_EXEC && failure.error == ENOENT, "a program that is not there");
    packet = EXECUTE(new_id(), "f00", 0, &s, "who");
    failure = failure_of(&packet);
    check(failure.error == ESRCH, "a container that is not there");
}

static void test_terminal(const char *target) {
    char *id = new_id();
    struct packet packet = EXECUTE(id, target, 1, NULL, "terminal");
    check(packet.header.type == MSG_STARTED && packet.fd >= 0, "a program gets a terminal, and we its other end");
    int terminal = packet.fd;
    read_text(terminal, "size");
    check(has("terminal 1 1 1 /dev/pts/"), "all its streams are that");
    struct winsize size = {.ws_row = 40, .ws_col = 120};
    ioctl(terminal, TIOCSWINSZ, &size);
    read_text(terminal, "size 40 120");
    check(has("size 40 120"), "it hears of a new size");
    say_line(terminal, "word\n");
    read_text(terminal, NULL);
    check(has("line word") && end_of(id).exit_code == 9, "and what is typed");

    id = new_id();
    packet = EXECUTE(id, target, 1, NULL, "wait");
    close(packet.fd);
    check(end_of(id).signal == SIGHUP, "it is hung up when its terminal is let go");
}

static void test_attach(void) {
    char *id = new_id();
    struct streams s, other;
    START(id, PLAN_FLAG_INPUT | PLAN_FLAG_INPUT_ONCE, "echo");
    struct packet packet = attach(id, ATTACH_OUTPUT | ATTACH_ERRORS, &other);
    check(flags_of(&packet) == (ATTACH_OUTPUT | ATTACH_ERRORS) && packet.fd < 0, "attached to outputs only");
    packet = attach(id, ATTACH_INPUT | ATTACH_OUTPUT, &s);
    check(flags_of(&packet) == (ATTACH_INPUT | ATTACH_OUTPUT) && s.in >= 0, "attached to its input as well");
    say_line(s.in, "word\n");
    read_text(s.out, "got word\n");
    check(has("got word\n"), "what is said comes back");
    packet = attach(id, ATTACH_INPUT, &(struct streams){0});
    check(flags_of(&packet) == 0, "its input was for one alone");
    close(s.in);
    read_text(s.out, NULL);
    check(has("over\n") && end_of(id).exit_code == 3, "who closes it ends the input");
    read_text(other.out, NULL);
    check(has("got word\nover\n"), "the other one has it all, too");
    check(log_has(id, "stdout F got word\n"), "and so has the log");

    id = new_id();
    START(id, PLAN_FLAG_INPUT, "echo");
    for (int round = 0; round < 2; round++) {
        attach(id, ATTACH_INPUT | ATTACH_OUTPUT, &s);
        say_line(s.in, "again\n");
        read_text(s.out, "got again\n");
        check(has("got again\n"), "an input that stays open, time %d", round + 1);
        close(s.in);
        close(s.out);
    }
    packet = attach(new_id(), ATTACH_OUTPUT, &s);
    check(failure_of(&packet).error == ENOENT, "nothing to attach to");
}

static void test_container_terminal(void) {
    char *id = new_id();
    struct streams s;
    START(id, PLAN_FLAG_INPUT | PLAN_FLAG_TERMINAL, "terminal");
    struct packet packet = attach(id, ATTACH_INPUT | ATTACH_OUTPUT, &s);
    check(flags_of(&packet) & ATTACH_TERMINAL, "a container on a terminal");
    struct resize_request asked = {.rows = 50, .columns = 150};
    memcpy(asked.id, id, ID_LENGTH);
    check(answer(request(MSG_RESIZE, &asked, sizeof asked, NULL, 0)).header.type == MSG_DONE, "is resized");
    read_text(s.out, "size 50 150");
    check(has("size 50 150"), "and hears of it");
    say_line(s.in, "typed\n");
    read_text(s.out, NULL);
    check(has("line typed") && end_of(id).exit_code == 9, "and what is typed");
    check(log_has(id, "line typed"), "its log has what the terminal shows");
    memcpy(asked.id, new_id(), ID_LENGTH);
    packet = answer(request(MSG_RESIZE, &asked, sizeof asked, NULL, 0));
    check(failure_of(&packet).error == ENOENT, "nothing to resize");
}

static void test_backpressure(void) {
    enum { lines = 60000, line_bytes = 61 };
    char *id = new_id(), count[16];
    struct streams slow, gone;
    snprintf(count, sizeof count, "%d", lines);
    // It waits for the word to begin, so that both are there in time.
    START(id, PLAN_FLAG_INPUT, "echo");
    attach(id, ATTACH_OUTPUT, &slow);
    attach(id, ATTACH_OUTPUT, &gone);
    close(gone.out);
    attach(id, ATTACH_INPUT, &gone);
    // More than fits into what lies between: 2 pipes and what is kept.
    static char line[200];
    memset(line, 'x', sizeof line - 2);
    line[198] = '\n';
    fcntl(gone.in, F_SETFL, O_NONBLOCK);
    long written = 0;
    int refusals = 0;
    while (refusals < 20 && written < 10000) {
        if (write(gone.in, line, 199) == 199) {
            written++;
            refusals = 0;
        } else {
            usleep(20000);
            refusals++;
        }
    }
    check(refusals == 20, "a reader who does not read holds the writer back (after %ld lines)", written);
    struct container_report report;
    struct packet packet;
    uint32_t number = request(MSG_LIST, NULL, 0, NULL, 0);
    while ((packet = answer(number)).header.type == MSG_CONTAINER) {}
    check(packet.header.type == MSG_DONE, "and nobody else");
    close(gone.in);
    long size = 0;
    char chunk[65536];
    // The input of this one stays open: it is read until all that was said has come back.
    while (size < written * 203) {
        struct pollfd poll_one = {slow.out, POLLIN, 0};
        if (poll(&poll_one, 1, PATIENCE_MS) != 1) break;
        ssize_t received = read(slow.out, chunk, sizeof chunk);
        if (received <= 0) break;
        size += received;
    }
    check(size == written * 203, "when it reads on, all is there: %ld bytes", size);
    close(slow.out);

    id = new_id();
    START(id, 0, "flood", count);
    report = end_of(id);
    check(report.exit_code == 0, "nobody attached, nobody held back");
}

static void test_vanishing(const char *target, pid_t podinit) {
    char *id = new_id();
    struct streams s;
    EXECUTE(id, target, 0, &s, "wait");
    close(connection);
    close(s.in);
    dial();
    uint32_t number = request(MSG_LIST, NULL, 0, NULL, 0);
    int is_there = 0, execs = 0;
    struct packet packet;
    while ((packet = answer(number)).header.type == MSG_CONTAINER) {
        struct container_report report;
        memcpy(&report, packet.body, sizeof report);
        if (memcmp(report.id, target, ID_LENGTH) == 0) is_there = report.state == STATE_RUNNING;
        if (memcmp(report.id, id, ID_LENGTH) == 0) execs++;
    }
    check(is_there && execs == 0, "a client who comes back finds the containers, and them alone");
    struct {
        char id[ID_LENGTH];
        int32_t signal;
    } signal = {.signal = SIGKILL};
    memcpy(signal.id, id, ID_LENGTH);
    check(answer(request(MSG_SIGNAL, &signal, sizeof signal, NULL, 0)).header.type == MSG_DONE, "it can end what it left");
    check(end_of(id).signal == SIGKILL, "and hears of that");
    check(kill(podinit, 0) == 0, "the supervisor lives");
}

static void test_end(const char *target, pid_t podinit) {
    struct {
        char id[ID_LENGTH];
        int32_t signal;
    } signal = {.signal = SIGKILL};
    memcpy(signal.id, target, ID_LENGTH);
    request(MSG_SIGNAL, &signal, sizeof signal, NULL, 0);
    check(end_of(target).signal == SIGKILL, "the container ends");
    struct streams s;
    struct packet packet = EXECUTE(new_id(), target, 0, &s, "who");
    check(failure_of(&packet).error == ESRCH, "nothing is executed in one that has ended");
    packet = attach(target, ATTACH_OUTPUT, &s);
    check(failure_of(&packet).error == ESRCH, "and nobody attached to it");
    char path[700];
    snprintf(path, sizeof path, "%s/%s.exit", folder, target);
    check(access(path, F_OK) == 0, "its end is written down");
    request(MSG_TERMINATE, NULL, 0, NULL, 0);
    int status;
    check(waitpid(podinit, &status, 0) == podinit && WIFEXITED(status), "the supervisor ends when it is told");
}

static pid_t start_podinit(const char *program) {
    int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%.90s/podinit.sock", folder);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 8) < 0) give_up("listen");
    pid_t pid = fork();
    if (pid == 0) {
        int state = open(folder, O_PATH | O_DIRECTORY), image = open(program, O_RDONLY);
        int copy = fcntl(listener, F_DUPFD, 20), state_copy = fcntl(state, F_DUPFD, 20);
        int image_copy = fcntl(image, F_DUPFD_CLOEXEC, 20);
        dup2(copy, 3);
        dup2(state_copy, 4);
        close(copy);
        close(state_copy);
        setsid();
        // Nothing of a test that hangs is left.
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        fexecve(image_copy, (char *const[]){"podinit", folder, POD_UID, NULL}, (char *const[]){NULL});
        _exit(1);
    }
    close(listener);
    return pid;
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    if (argc != 3 || argv[1][0] != '/' || access(argv[1], X_OK) < 0) return inside(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    snprintf(folder, sizeof folder, "%s", argv[2]);
    pid_t podinit = start_podinit(argv[1]);
    dial();
    test_unknown_messages();
    char *target = new_id();
    struct packet packet = START(target, 0, "wait");
    check(packet.header.type == MSG_STARTED, "a container starts");
    test_exec(target);
    test_terminal(target);
    test_attach();
    test_container_terminal();
    test_backpressure();
    test_vanishing(target, podinit);
    test_end(target, podinit);
    return failures != 0;
}
