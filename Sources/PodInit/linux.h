// Musl knows these system calls by number only.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif
#define AT_RECURSIVE_ 0x8000
#define OPEN_TREE_CLONE_ 1
#define OPEN_TREE_CLOEXEC_ 02000000
#define MOVE_MOUNT_F_EMPTY_PATH_ 0x04
#define MOVE_MOUNT_T_EMPTY_PATH_ 0x40
#define MOUNT_ATTR_RDONLY_ 0x01
#define MOUNT_ATTR_NOSUID_ 0x02
#define MOUNT_ATTR_NODEV_ 0x04
#define MOUNT_ATTR_NOEXEC_ 0x08
#define RESOLVE_NO_XDEV_ 0x01
#define RESOLVE_NO_MAGICLINKS_ 0x02
#define RESOLVE_NO_SYMLINKS_ 0x04
#define RESOLVE_BENEATH_ 0x08
#define RESOLVE_IN_ROOT_ 0x10
#define CLONE_INTO_CGROUP_ 0x200000000ull
#define CLONE_CLEAR_SIGHAND_ 0x100000000ull
#define PROC_MAGIC 0x9fa0
#define SYSFS_MAGIC 0x62656572
#define DEVPTS_MAGIC 0x1cd1
#define TIOCGPTPEER_ 0x5441

struct clone_arguments {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};
struct mount_attributes {
    uint64_t set, clear, propagation, userns;
};
struct open_how_ {
    uint64_t flags, mode, resolve;
};
struct filter_program {
    unsigned short count;
    const void *filter;
};

static inline int fsopen_(const char *type) { return (int)syscall(SYS_fsopen, type, 1); }
static inline int fsconfig_set(int fs, const char *key, const char *value) {
    return (int)syscall(SYS_fsconfig, fs, value ? 1 : 0, key, value, 0);
}
static inline int fsconfig_create(int fs) { return (int)syscall(SYS_fsconfig, fs, 6, NULL, NULL, 0); }
static inline int fsmount_(int fs, unsigned attributes) { return (int)syscall(SYS_fsmount, fs, 1, attributes); }
static inline int open_tree_(int directory, const char *path, unsigned flags) {
    return (int)syscall(SYS_open_tree, directory, path, flags | OPEN_TREE_CLOEXEC_);
}
static inline int move_mount_(int from, int to, const char *path) {
    unsigned flags = MOVE_MOUNT_F_EMPTY_PATH_ | (*path ? 0 : MOVE_MOUNT_T_EMPTY_PATH_);
    return (int)syscall(SYS_move_mount, from, "", to, path, flags);
}
static inline int mount_setattr_(int tree, int recursive, const struct mount_attributes *attributes) {
    return (int)syscall(
        SYS_mount_setattr, tree, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE_ : 0), attributes, sizeof *attributes);
}
int openat2_(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
