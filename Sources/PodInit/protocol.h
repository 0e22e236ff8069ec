// What the daemon and the supervisor say to each other. A daemon speaks every major ever released; within a major only
// additions are made. Numbers are in the machine's order: both ends are on one machine.
//
// Socket: <state directory>/podinit.sock, SEQPACKET. A packet holds one message or several, each
//   u32 length (with this header), u16 type, u16 flags (0), u32 request
// A type that the receiver does not know is skipped; the supervisor answers MSG_UNKNOWN to it, with its request number.
// On accept the supervisor says MSG_HELLO first. `request` is chosen by the daemon and comes back in the answer; events
// have 0.
#pragma once
#include <stdint.h>

#define PROTOCOL_MAGIC 0x49505753u // "SWPI"
#define PROTOCOL_MAJOR 1
#define PROTOCOL_MINOR 0

#define ID_LENGTH 64

struct message_header {
    uint32_t length;
    uint16_t type;
    uint16_t flags;
    uint32_t request;
};

enum message_type {
    MSG_HELLO = 1,     // u32 magic, u16 major, u16 minor, i32 its own pid, the pod's uid (rest of the message)
    MSG_LIST = 2,      // answered by one MSG_CONTAINER for each, then MSG_DONE
    MSG_CONTAINER = 3, // struct container_report
    MSG_START = 4,     // a descriptor of the plan comes with it; answered by MSG_STARTED or MSG_FAILED
    MSG_STARTED = 5,   // struct container_report
    MSG_FAILED = 6,    // struct failure_report
    MSG_SIGNAL = 7,    // char id[64], i32 signal; answered by MSG_DONE or MSG_FAILED
    MSG_FORGET = 8,    // char id[64] of one that has ended: its record goes; answered by MSG_DONE or MSG_FAILED
    MSG_TERMINATE = 9, // kills all containers; the supervisor ends after them and does not answer
    MSG_EXITED = 10,   // event: struct container_report
    MSG_DONE = 11,
    MSG_UNKNOWN = 12,
    MSG_EXEC = 13,     // descriptors: the plan, then stdin, stdout and stderr, unless it asks for a terminal; answered by
                       // MSG_STARTED, with which the terminal's descriptor comes, or MSG_FAILED. Its end is MSG_EXITED
    MSG_ATTACH = 14,   // struct attach_request, with a descriptor to write to for each output; answered by MSG_ATTACHED or
                       // MSG_FAILED. Whoever closes the other ends has left
    MSG_ATTACHED = 15, // u32 of ATTACH_*: what there is; with ATTACH_INPUT a descriptor to write to comes along
    MSG_RESIZE = 16,   // struct resize_request; answered by MSG_DONE or MSG_FAILED
    // 17 to 31 are kept for volumes.
};

enum attach_flag {
    ATTACH_INPUT = 1,
    ATTACH_OUTPUT = 2,
    ATTACH_ERRORS = 4,
    ATTACH_TERMINAL = 8, // in the answer: all output comes as one
};
struct attach_request {
    char id[ID_LENGTH];
    uint32_t flags;
    uint32_t reserved;
};
struct resize_request {
    char id[ID_LENGTH];
    uint16_t rows, columns;
    uint32_t reserved;
};

enum container_state { STATE_STARTING = 1, STATE_RUNNING = 2, STATE_EXITED = 3 };

struct container_report {
    char id[ID_LENGTH];
    uint32_t state;
    int32_t pid;
    int64_t started_nanos;  // since 1970
    int64_t finished_nanos; // 0 while it runs
    int32_t exit_code;      // 128 + signal for one that a signal ended
    int32_t signal;
    uint32_t oom_killed;
    uint32_t reserved;
};

struct failure_report {
    uint32_t stage;
    int32_t error; // errno
    uint32_t index;
    uint32_t reserved;
    char subject[240]; // a path or a name, ends with a zero
};

// Where a start failed; the daemon has the words for it.
enum stage {
    STAGE_PROTOCOL = 1, // a message that makes no sense: no such id, id in use
    STAGE_PLAN,         // the plan can't be read
    STAGE_LOG,
    STAGE_CLONE,
    STAGE_CGROUP,
    STAGE_NAMESPACE,
    STAGE_SOURCE,   // of a bind mount
    STAGE_ROOT,     // the overlay
    STAGE_MOUNT,    // subject: the target
    STAGE_DEVICE,
    STAGE_MASK,
    STAGE_PIVOT,
    STAGE_WORKING_DIRECTORY,
    STAGE_CAPABILITIES,
    STAGE_USER,
    STAGE_SECCOMP,
    STAGE_DESCRIPTORS,
    STAGE_LOOKUP, // no such program in PATH
    STAGE_EXEC,
    STAGE_OOM_SCORE,
    STAGE_TERMINAL,
    STAGE_STREAMS, // what was asked of a container's streams can't be
};

// The plan of a container: records, each
//   u16 type, u16 flags, u32 length (of the payload), payload, zeros up to a multiple of 8
// Texts end with a zero byte. A record of an unknown type is refused, unless its flags have PLAN_OPTIONAL: what can't be
// done must not be left out silently.
#define PLAN_MAGIC 0x4e4c5053u // "SPLN": the plan starts with u32 magic, u32 major
#define PLAN_OPTIONAL 1
#define PLAN_LIMIT (8u << 20)

enum plan_type {
    PLAN_ID = 1,
    PLAN_FLAGS,       // u64 of PLAN_FLAG_*
    PLAN_LAYER,       // text; the lowest first
    PLAN_UPPER,       // text
    PLAN_WORK,        // text
    PLAN_ROOT,        // text: an empty folder, over which the root lies in the container's mount namespace only
    PLAN_MOUNT,       // struct plan_mount, source, target
    PLAN_ARGUMENT,    // text
    PLAN_ENVIRONMENT, // text
    PLAN_DIRECTORY,   // text: the working directory
    PLAN_USER,        // u32 uid, u32 gid, u32 groups...
    PLAN_CAPABILITIES,// u64
    PLAN_SECCOMP,     // struct sock_filter...
    PLAN_CGROUP_TASKS,// text: a v1 `tasks` file
    PLAN_CGROUP,      // text: a v2 folder
    PLAN_OOM_FILE,    // text: a file with a line "oom_kill <count>"
    PLAN_KILL_FILE,   // text: cgroup.kill (v2), or a v1 cgroup.procs to walk
    PLAN_MASK,        // text: a path below /proc or /sys
    PLAN_READ_ONLY,   // text: likewise
    PLAN_LOG,         // u64 size limit, u32 files, u32 zero, text
    PLAN_OOM_SCORE,   // text
    PLAN_DEVICE,      // u32 mode with type, u32 major, u32 minor, u32 zero, text below /dev
    PLAN_TARGET,      // text: the id of the container that an exec joins. What such a plan lacks (folder, user, rights,
                      // cgroups) is the container's; its variables are added to the container's, or replace them
    PLAN_PID_TARGET,  // text: the id of the container whose PID namespace this one lives in
    PLAN_WINDOW,      // u16 rows, u16 columns, of the terminal, before anything runs on it
};

enum plan_flag {
    PLAN_FLAG_NEW_PID = 1,
    PLAN_FLAG_NEW_CGROUP = 2,
    PLAN_FLAG_NO_NEW_PRIVILEGES = 4,
    PLAN_FLAG_READ_ONLY_ROOT = 8,
    PLAN_FLAG_DETACHED = 16,    // the kernel mounts onto detached trees (6.15)
    PLAN_FLAG_LOWERDIR_ADD = 32,// overlay knows lowerdir+ (6.7)
    PLAN_FLAG_POD_PID = 64,     // into the pod's shared PID namespace
    PLAN_FLAG_TERMINAL = 128,   // its streams are a terminal
    PLAN_FLAG_INPUT = 256,      // of a container: its input stays open, for those who attach
    PLAN_FLAG_INPUT_ONCE = 512, // it ends with the first who attaches to it
};

enum mount_kind {
    MOUNT_BIND = 1,
    MOUNT_TMPFS,
    MOUNT_PROC,
    MOUNT_SYSFS,
    MOUNT_DEV,      // a tmpfs with the usual devices, links and a devpts
    MOUNT_MQUEUE,
    MOUNT_CGROUP2,
    MOUNT_POD_TMPFS,// shared by the pod's containers; the source is its name
};
enum mount_flag {
    MOUNT_READ_ONLY = 1,
    MOUNT_SLAVE = 2,
    MOUNT_SHARED = 4,
    MOUNT_NO_SUID = 8,
    MOUNT_NO_DEV = 16,
    MOUNT_NO_EXEC = 32,
    MOUNT_SYSTEM = 64, // ours: the target may have no symbolic link in it
    MOUNT_OPTIONAL = 128, // a missing source is skipped
    MOUNT_BELOW = 256, // a bind: the first `mode` bytes of the source are a folder that the rest may not lead out of
    MOUNT_FREEZE = 512, // read-only once the others are mounted, of which some lie on it
};
struct plan_mount {
    uint32_t kind;
    uint32_t flags;
    uint64_t size;   // bytes, 0 for no limit
    uint32_t mode;
    uint32_t source; // bytes of the source's text with its zero; the target's follows
};

// The record of an end, <state directory>/<id>.exit, one line:
//   swiftlet-exit 1 <exit code> <signal> <oom killed> <started> <finished>
