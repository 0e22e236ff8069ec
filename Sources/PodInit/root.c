// The container's root: its overlay and its mounts, on a tree that nothing of the host shows.
#define _GNU_SOURCE
#include "linux.h"
#include "podinit.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

// --- places inside the root

// Opens the place of a mount, which is made where it is missing: a folder, or an empty file. No link leads out of the
// root, whoever renames what meanwhile; for our own mounts none is followed at all.
static int open_target(int root, const char *path, int is_folder, int is_system) {
    const uint64_t resolve = RESOLVE_IN_ROOT_ | (is_system ? RESOLVE_NO_SYMLINKS_ : 0);
    int fd = openat2_(root, path, O_PATH, 0, resolve);
    if (fd >= 0 || errno != ENOENT) return fd;
    char prefix[4096];
    if (strlen(path) >= sizeof prefix) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int parent = openat2_(root, ".", O_PATH | O_DIRECTORY, 0, RESOLVE_IN_ROOT_);
    const char *at = path;
    while (parent >= 0) {
        while (*at == '/') at++;
        if (!*at) return parent;
        const char *end = strchrnul(at, '/');
        const char *rest = end;
        while (*rest == '/') rest++;
        char name[256];
        if ((size_t)(end - at) >= sizeof name) {
            errno = ENAMETOOLONG;
            break;
        }
        memcpy(name, at, (size_t)(end - at));
        name[end - at] = 0;
        memcpy(prefix, path, (size_t)(end - path));
        prefix[end - path] = 0;
        fd = openat2_(root, prefix, O_PATH, 0, resolve);
        if (fd < 0 && errno == ENOENT) {
            if (!*rest && !is_folder) {
                int made = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
                if (made < 0) break;
                close(made);
            } else if (mkdirat(parent, name, 0755) < 0) {
                break;
            }
            fd = openat2_(parent, name, O_PATH, 0, RESOLVE_BENEATH_ | RESOLVE_NO_SYMLINKS_);
        }
        if (fd < 0) break;
        close(parent);
        parent = fd;
        at = end;
    }
    int saved = errno;
    if (parent >= 0) close(parent);
    errno = saved;
    return -1;
}

static long file_system_type(int fd) {
    struct statfs info;
    return fstatfs(fd, &info) < 0 ? -1 : (long)info.f_type;
}

// --- file systems

static int configured(int fs, unsigned attributes) {
    int tree = fsconfig_create(fs) < 0 ? -1 : fsmount_(fs, attributes);
    int saved = errno;
    close(fs);
    errno = saved;
    return tree;
}

static int set_number(int fs, const char *key, const char *format, uint64_t value) {
    char text[32];
    snprintf(text, sizeof text, format, (unsigned long long)value);
    return fsconfig_set(fs, key, text);
}

static int make_tmpfs(uint64_t size, uint32_t mode, unsigned attributes) {
    int fs = fsopen_("tmpfs");
    if (fs < 0) return -1;
    if ((size && set_number(fs, "size", "%llu", size) < 0) || set_number(fs, "mode", "%llo", mode) < 0) {
        close(fs);
        return -1;
    }
    return configured(fs, attributes);
}

static int make_plain(const char *type, unsigned attributes) {
    int fs = fsopen_(type);
    return fs < 0 ? -1 : configured(fs, attributes);
}

static const struct {
    const char *name;
    unsigned major, minor;
} devices[] = {{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
static const struct {
    const char *name, *target;
} links[] = {{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
             {"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"}};

// The terminal of the container's streams is also its console.
static void add_console(const struct plan *plan, int dev, int pts) {
    child_open_terminal(plan, pts);
    int console = openat(dev, "console", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int tree = open_tree_(child_terminal, "", AT_EMPTY_PATH | OPEN_TREE_CLONE_);
    if (console < 0 || tree < 0 || move_mount_(tree, console, "") < 0) child_fail(STAGE_TERMINAL, "console");
    close(console);
    close(tree);
}

static void fill_dev(const struct plan *plan, int dev) {
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        if (mknodat(dev, devices[i].name, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor)) < 0)
            child_fail(STAGE_DEVICE, devices[i].name);
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        if (symlinkat(links[i].target, dev, links[i].name) < 0) child_fail(STAGE_DEVICE, links[i].name);
    if (mkdirat(dev, "pts", 0755) < 0 || mkdirat(dev, "shm", 01777) < 0 || mkdirat(dev, "mqueue", 01777) < 0)
        child_fail(STAGE_DEVICE, "dev");
    for (struct plan_record *record = plan_next(plan, NULL); record; record = plan_next(plan, record)) {
        if (record->type != PLAN_DEVICE) continue;
        uint32_t numbers[3];
        memcpy(numbers, record->payload, sizeof numbers);
        char name[256];
        if ((size_t)snprintf(name, sizeof name, "%s", record->payload + 16) >= sizeof name) continue;
        for (char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
            *slash = 0;
            mkdirat(dev, name, 0755);
            *slash = '/';
        }
        if (mknodat(dev, name, numbers[0], makedev(numbers[1], numbers[2])) < 0 && errno != EEXIST)
            child_fail(STAGE_DEVICE, record->payload + 16);
    }
    int fs = fsopen_("devpts");
    if (fs < 0) child_fail(STAGE_DEVICE, "pts");
    fsconfig_set(fs, "newinstance", NULL);
    if (fsconfig_set(fs, "ptmxmode", "0666") < 0 || fsconfig_set(fs, "mode", "0620") < 0
        || fsconfig_set(fs, "gid", "5") < 0)
        child_fail(STAGE_DEVICE, "pts");
    int pts = configured(fs, MOUNT_ATTR_NOSUID_ | MOUNT_ATTR_NOEXEC_);
    if (pts < 0) child_fail(STAGE_DEVICE, "pts");
    int target = openat(dev, "pts", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (target < 0 || move_mount_(pts, target, "") < 0) child_fail(STAGE_DEVICE, "pts");
    if (plan->flags & PLAN_FLAG_TERMINAL) add_console(plan, dev, pts);
    close(pts);
    close(target);
}

static int make_root(const struct plan *plan) {
    if (plan->flags & PLAN_FLAG_LOWERDIR_ADD) {
        int fs = fsopen_("overlay");
        if (fs < 0) child_fail(STAGE_ROOT, "overlay");
        // lowerdir+ adds below what is there, so the highest comes first.
        size_t count = 0;
        for (struct plan_record *r = plan_next(plan, NULL); r; r = plan_next(plan, r)) count += r->type == PLAN_LAYER;
        const char **layers = calloc(count + 1, sizeof *layers);
        if (!layers) child_fail(STAGE_ROOT, "overlay");
        count = 0;
        for (struct plan_record *r = plan_next(plan, NULL); r; r = plan_next(plan, r))
            if (r->type == PLAN_LAYER) layers[count++] = r->payload;
        while (count > 0)
            if (fsconfig_set(fs, "lowerdir+", layers[--count]) < 0) child_fail(STAGE_ROOT, layers[count]);
        free(layers);
        if (fsconfig_set(fs, "upperdir", plan->upper) < 0) child_fail(STAGE_ROOT, plan->upper);
        if (fsconfig_set(fs, "workdir", plan->work) < 0) child_fail(STAGE_ROOT, plan->work);
        if (fsconfig_set(fs, "volatile", NULL) < 0) child_fail(STAGE_ROOT, "volatile");
        int tree = configured(fs, 0);
        if (tree < 0) child_fail(STAGE_ROOT, "overlay");
        return tree;
    }
    // Older: one text of all layers, at most a page of it.
    static char options[4096];
    size_t used = 0;
    const char *last = NULL;
    do {
        const char *next = NULL;
        for (struct plan_record *r = plan_next(plan, NULL); r && r->payload != last; r = plan_next(plan, r))
            if (r->type == PLAN_LAYER) next = r->payload;
        if (!next) break;
        last = next;
        int length = snprintf(options + used, sizeof options - used, "%s%s", used ? ":" : "lowerdir=", next);
        if (length < 0 || (used += (size_t)length) >= sizeof options) {
            errno = E2BIG;
            child_fail(STAGE_ROOT, "overlay");
        }
    } while (last);
    int length = snprintf(
        options + used, sizeof options - used, ",upperdir=%s,workdir=%s,volatile", plan->upper, plan->work);
    if (length < 0 || used + (size_t)length >= sizeof options) {
        errno = E2BIG;
        child_fail(STAGE_ROOT, "overlay");
    }
    if (mount("overlay", plan->root, "overlay", 0, options) < 0) child_fail(STAGE_ROOT, "overlay");
    int tree = open(plan->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (tree < 0) child_fail(STAGE_ROOT, plan->root);
    return tree;
}

// --- mounts

struct prepared {
    int tree; // of binds and pod file systems: cloned before anything is mounted
    int is_folder;
};

static unsigned attributes_of(const struct plan_mount *mount) {
    return (mount->flags & MOUNT_READ_ONLY ? MOUNT_ATTR_RDONLY_ : 0)
        | (mount->flags & MOUNT_NO_SUID ? MOUNT_ATTR_NOSUID_ : 0) | (mount->flags & MOUNT_NO_DEV ? MOUNT_ATTR_NODEV_ : 0)
        | (mount->flags & MOUNT_NO_EXEC ? MOUNT_ATTR_NOEXEC_ : 0);
}

// Clones the source of a bind, with what is mounted below it.
static int clone_source(const struct plan_mount *mount, const char *source) {
    if (!(mount->flags & MOUNT_BELOW)) return open_tree_(AT_FDCWD, source, OPEN_TREE_CLONE_ | AT_RECURSIVE_);
    char folder[4096];
    if (mount->mode >= sizeof folder || mount->mode > strlen(source)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(folder, source, mount->mode);
    folder[mount->mode] = 0;
    // What lies in the folder is a container's, which may put a link there at any time: it is resolved inside, and the
    // descriptor of what was found is what is cloned (CVE-2021-25741).
    int base = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int place = base < 0 ? -1 : open_target(base, source + mount->mode, 1, 0);
    int tree = place < 0 ? -1 : open_tree_(place, "", AT_EMPTY_PATH | OPEN_TREE_CLONE_ | AT_RECURSIVE_);
    int saved = errno;
    if (base >= 0) close(base);
    if (place >= 0 && place != base) close(place);
    errno = saved;
    return tree;
}

// Clones the sources of all binds, while the host's mounts still propagate as the host has them.
static struct prepared *prepare_mounts(const struct plan *plan, const struct child_context *context) {
    size_t count = 0, pod_trees = 0;
    for (struct plan_record *r = plan_next(plan, NULL); r; r = plan_next(plan, r)) count += r->type == PLAN_MOUNT;
    struct prepared *all = calloc(count + 1, sizeof *all), *next = all;
    if (!all) child_fail(STAGE_MOUNT, "");
    for (struct plan_record *r = plan_next(plan, NULL); r; r = plan_next(plan, r)) {
        if (r->type != PLAN_MOUNT) continue;
        struct plan_mount mount;
        memcpy(&mount, r->payload, sizeof mount);
        const char *source = r->payload + sizeof mount;
        next->tree = -1;
        next->is_folder = 1;
        if (mount.kind == MOUNT_POD_TMPFS) next->tree = context->pod_trees[pod_trees++];
        if (mount.kind == MOUNT_BIND) {
            next->tree = clone_source(&mount, source);
            if (next->tree < 0 && !((mount.flags & MOUNT_OPTIONAL) && errno == ENOENT)) child_fail(STAGE_SOURCE, source);
            struct stat info;
            if (next->tree >= 0 && fstat(next->tree, &info) == 0) next->is_folder = S_ISDIR(info.st_mode);
        }
        if (next->tree >= 0) {
            struct mount_attributes change = {
                .set = attributes_of(&mount),
                .propagation = mount.flags & MOUNT_SHARED ? MS_SHARED
                    : mount.flags & MOUNT_SLAVE           ? MS_SLAVE
                                                          : MS_PRIVATE};
            if (mount_setattr_(next->tree, 1, &change) < 0) child_fail(STAGE_SOURCE, source);
        }
        next++;
    }
    return all;
}

// Mounts that become read-only once the root is attached: the kernel changes only the top of a detached tree.
static int frozen[8];
static size_t frozen_count;

static void freeze(void) {
    for (size_t i = 0; i < frozen_count; i++) {
        struct mount_attributes change = {.set = MOUNT_ATTR_RDONLY_};
        if (mount_setattr_(frozen[i], 0, &change) < 0) child_fail(STAGE_MOUNT, "read-only");
        close(frozen[i]);
    }
}

static void make_mounts(const struct plan *plan, const struct prepared *prepared, int root) {
    for (struct plan_record *r = plan_next(plan, NULL); r; r = plan_next(plan, r)) {
        if (r->type != PLAN_MOUNT) continue;
        struct plan_mount mount;
        memcpy(&mount, r->payload, sizeof mount);
        const char *target = r->payload + sizeof mount + mount.source;
        const unsigned attributes = attributes_of(&mount);
        int tree = prepared->tree, is_folder = prepared->is_folder;
        prepared++;
        switch (mount.kind) {
        case MOUNT_BIND:
            if (tree < 0) continue;
            break;
        case MOUNT_POD_TMPFS: break;
        case MOUNT_TMPFS: tree = make_tmpfs(mount.size, mount.mode ? mount.mode : 01777, attributes); break;
        case MOUNT_PROC: tree = make_plain("proc", attributes); break;
        case MOUNT_SYSFS: tree = make_plain("sysfs", attributes); break;
        case MOUNT_MQUEUE: tree = make_plain("mqueue", attributes); break;
        case MOUNT_CGROUP2: tree = make_plain("cgroup2", attributes); break;
        case MOUNT_DEV: tree = make_tmpfs(64 << 10, 0755, attributes); break;
        default: errno = EPROTO; child_fail(STAGE_MOUNT, target);
        }
        if (tree < 0) child_fail(STAGE_MOUNT, target);
        int place = open_target(root, target, is_folder, mount.flags & MOUNT_SYSTEM);
        if (place < 0) child_fail(STAGE_MOUNT, target);
        // Over /proc a container could be shown anything in the place of what masks and labels are written to.
        if (!(mount.flags & MOUNT_SYSTEM) && file_system_type(place) == PROC_MAGIC) {
            errno = EPERM;
            child_fail(STAGE_MOUNT, target);
        }
        if (move_mount_(tree, place, "") < 0) child_fail(STAGE_MOUNT, target);
        if (mount.kind == MOUNT_DEV) fill_dev(plan, tree);
        close(place);
        if (!(mount.flags & MOUNT_FREEZE)) {
            close(tree);
        } else if (frozen_count < sizeof frozen / sizeof *frozen) {
            frozen[frozen_count++] = tree;
        } else {
            errno = E2BIG;
            child_fail(STAGE_MOUNT, target);
        }
    }
}

// Hides or freezes paths of /proc and /sys. What is not there needs no hiding; what is there must be the kernel's.
static void mask_paths(const struct plan *plan, int root) {
    int null = -1, empty = -1;
    for (struct plan_record *r = plan_next(plan, NULL); r; r = plan_next(plan, r)) {
        if (r->type != PLAN_MASK && r->type != PLAN_READ_ONLY) continue;
        int place = openat2_(root, r->payload, O_PATH, 0, RESOLVE_IN_ROOT_ | RESOLVE_NO_SYMLINKS_);
        if (place < 0) {
            if (errno == ENOENT || errno == ENOTDIR) continue;
            child_fail(STAGE_MASK, r->payload);
        }
        long type = file_system_type(place);
        struct stat info;
        if (fstat(place, &info) < 0) child_fail(STAGE_MASK, r->payload);
        if (type != PROC_MAGIC && type != SYSFS_MAGIC) {
            errno = EPERM;
            child_fail(STAGE_MASK, r->payload);
        }
        int tree;
        if (r->type == PLAN_READ_ONLY) {
            tree = open_tree_(place, "", AT_EMPTY_PATH | OPEN_TREE_CLONE_ | AT_RECURSIVE_);
            struct mount_attributes change = {.set = MOUNT_ATTR_RDONLY_};
            if (tree < 0 || mount_setattr_(tree, 1, &change) < 0) child_fail(STAGE_MASK, r->payload);
        } else if (S_ISDIR(info.st_mode)) {
            if (empty < 0) {
                empty = make_tmpfs(4096, 0555, MOUNT_ATTR_RDONLY_ | MOUNT_ATTR_NOSUID_ | MOUNT_ATTR_NODEV_);
                tree = empty;
            } else {
                tree = open_tree_(empty, "", AT_EMPTY_PATH | OPEN_TREE_CLONE_);
            }
            if (tree < 0) child_fail(STAGE_MASK, r->payload);
        } else {
            if (null < 0) {
                struct stat device;
                null = openat2_(root, "/dev/null", O_PATH, 0, RESOLVE_IN_ROOT_ | RESOLVE_NO_SYMLINKS_);
                if (null < 0 || fstat(null, &device) < 0 || !S_ISCHR(device.st_mode) || device.st_rdev != makedev(1, 3))
                    child_fail(STAGE_MASK, "/dev/null");
            }
            tree = open_tree_(null, "", AT_EMPTY_PATH | OPEN_TREE_CLONE_);
            if (tree < 0) child_fail(STAGE_MASK, r->payload);
        }
        if (move_mount_(tree, place, "") < 0) child_fail(STAGE_MASK, r->payload);
        close(place);
        if (tree != empty) close(tree);
    }
}

void build_root(const struct plan *plan, const struct child_context *context) {
    struct prepared *prepared = prepare_mounts(plan, context);
    // From here on nothing that is mounted shows on the host; what the host mounts is still passed on to the binds that
    // asked for it, which are not below this tree.
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) child_fail(STAGE_NAMESPACE, "/");
    int root = make_root(plan);
    const int is_detached = (plan->flags & PLAN_FLAG_DETACHED) && (plan->flags & PLAN_FLAG_LOWERDIR_ADD);
    if (!is_detached && (plan->flags & PLAN_FLAG_LOWERDIR_ADD) && move_mount_(root, AT_FDCWD, plan->root) < 0)
        child_fail(STAGE_ROOT, plan->root);
    make_mounts(plan, prepared, root);
    mask_paths(plan, root);
    if (plan->directory && *plan->directory) {
        int directory = open_target(root, plan->directory, 1, 0);
        if (directory < 0) child_fail(STAGE_WORKING_DIRECTORY, plan->directory);
        close(directory);
    }
    if (plan->flags & PLAN_FLAG_READ_ONLY_ROOT) {
        struct mount_attributes change = {.set = MOUNT_ATTR_RDONLY_};
        if (mount_setattr_(root, 0, &change) < 0) child_fail(STAGE_ROOT, "read-only");
    }
    if (is_detached && move_mount_(root, AT_FDCWD, plan->root) < 0) child_fail(STAGE_ROOT, plan->root);
    freeze();
    if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0) child_fail(STAGE_PIVOT, "/");
    if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0) child_fail(STAGE_PIVOT, "/");
    close(root);
}
