// File systems in memory that the pod's containers share: /dev/shm, memory volumes. They are detached trees that only
// this process holds, so that nothing of them is in the host's mount table.
#define _GNU_SOURCE
#include "linux.h"
#include "podinit.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern int state_directory;

struct volume {
    struct volume *next;
    int tree;
    char name[];
};
static struct volume *volumes;

static int make(uint64_t size) {
    int fs = fsopen_("tmpfs");
    if (fs < 0) return -1;
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)size);
    int tree = -1;
    if ((size == 0 || fsconfig_set(fs, "size", text) == 0) && fsconfig_set(fs, "mode", "1777") == 0
        && fsconfig_create(fs) == 0)
        tree = fsmount_(fs, MOUNT_ATTR_NOSUID_ | MOUNT_ATTR_NODEV_);
    int saved = errno;
    close(fs);
    errno = saved;
    return tree;
}

// A kernel before 6.15 does not clone a detached tree: a folder of the run directory, which is in memory too, but without
// a bound of its own.
static int clone_folder(const char *name) {
    char folder[300];
    if ((size_t)snprintf(folder, sizeof folder, "memory-%s", name) >= sizeof folder || strchr(name, '/')) {
        errno = EINVAL;
        return -1;
    }
    if (mkdirat(state_directory, folder, 01777) == 0) fchmodat(state_directory, folder, 01777, 0);
    else if (errno != EEXIST) return -1;
    return open_tree_(state_directory, folder, OPEN_TREE_CLONE_);
}

int pod_tmpfs_clone(const char *name, uint64_t size) {
    struct volume *volume = volumes;
    while (volume && strcmp(volume->name, name) != 0) volume = volume->next;
    if (!volume) {
        volume = malloc(sizeof *volume + strlen(name) + 1);
        if (!volume) return -1;
        strcpy(volume->name, name);
        volume->tree = make(size);
        if (volume->tree < 0) {
            free(volume);
            return -1;
        }
        volume->next = volumes;
        volumes = volume;
    }
    int clone = open_tree_(volume->tree, "", AT_EMPTY_PATH | OPEN_TREE_CLONE_);
    return clone >= 0 ? clone : clone_folder(name);
}
