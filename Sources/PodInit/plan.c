#define _GNU_SOURCE
#include "podinit.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct plan_record *plan_next(const struct plan *plan, struct plan_record *record) {
    size_t offset = 8;
    if (record) offset = (size_t)((char *)record - plan->bytes) + 8 + ((record->length + 7u) & ~(size_t)7);
    if (offset + 8 > plan->size) return NULL;
    struct plan_record *next = (struct plan_record *)(plan->bytes + offset);
    return next->length > plan->size - offset - 8 ? NULL : next;
}

// A record's text, or NULL where it does not end in a zero.
static const char *text(struct plan_record *record, size_t offset) {
    if (record->length <= offset || record->payload[record->length - 1] != 0) return NULL;
    return record->payload + offset;
}

int plan_open(struct plan *plan, int fd) {
    memset(plan, 0, sizeof *plan);
    struct stat info;
    if (fstat(fd, &info) < 0) return -1;
    if (info.st_size < 16 || info.st_size > PLAN_LIMIT) {
        errno = EINVAL;
        return -1;
    }
    plan->size = (size_t)info.st_size;
    plan->bytes = mmap(NULL, plan->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (plan->bytes == MAP_FAILED) {
        plan->bytes = NULL;
        return -1;
    }
    uint32_t head[2];
    memcpy(head, plan->bytes, sizeof head);
    if (head[0] != PLAN_MAGIC || head[1] != PROTOCOL_MAJOR) goto invalid;
    size_t arguments = 0, variables = 0;
    for (struct plan_record *record = plan_next(plan, NULL); record; record = plan_next(plan, record)) {
        arguments += record->type == PLAN_ARGUMENT;
        variables += record->type == PLAN_ENVIRONMENT;
    }
    plan->arguments = calloc(arguments + 1, sizeof(char *));
    plan->environment = calloc(variables + 1, sizeof(char *));
    if (!plan->arguments || !plan->environment) return -1;
    arguments = variables = 0;
#define TEXT(member, offset) \
    do { \
        if (!(plan->member = text(record, offset))) goto invalid; \
    } while (0)
    for (struct plan_record *record = plan_next(plan, NULL); record; record = plan_next(plan, record)) {
        const char *value;
        switch (record->type) {
        case PLAN_ID: TEXT(id, 0); break;
        case PLAN_UPPER: TEXT(upper, 0); break;
        case PLAN_WORK: TEXT(work, 0); break;
        case PLAN_ROOT: TEXT(root, 0); break;
        case PLAN_DIRECTORY: TEXT(directory, 0); break;
        case PLAN_CGROUP: TEXT(cgroup, 0); break;
        case PLAN_OOM_FILE: TEXT(oom_file, 0); break;
        case PLAN_KILL_FILE: TEXT(kill_file, 0); break;
        case PLAN_OOM_SCORE: TEXT(oom_score, 0); break;
        case PLAN_TARGET: TEXT(target, 0); break;
        case PLAN_PID_TARGET: TEXT(pid_target, 0); break;
        case PLAN_LOG:
            if (record->length < 17) goto invalid;
            memcpy(&plan->log_size, record->payload, 8);
            memcpy(&plan->log_files, record->payload + 8, 4);
            TEXT(log_path, 16);
            break;
        case PLAN_ARGUMENT:
            if (!(value = text(record, 0))) goto invalid;
            plan->arguments[arguments++] = (char *)value;
            break;
        case PLAN_ENVIRONMENT:
            if (!(value = text(record, 0))) goto invalid;
            plan->environment[variables++] = (char *)value;
            break;
        case PLAN_FLAGS:
            if (record->length != 8) goto invalid;
            memcpy(&plan->flags, record->payload, 8);
            break;
        case PLAN_CAPABILITIES:
            if (record->length != 8) goto invalid;
            memcpy(&plan->capabilities, record->payload, 8);
            plan->has_capabilities = 1;
            break;
        case PLAN_WINDOW:
            if (record->length != sizeof plan->window) goto invalid;
            memcpy(plan->window, record->payload, sizeof plan->window);
            break;
        case PLAN_USER:
            if (record->length < 8 || record->length % 4) goto invalid;
            plan->user = (const uint32_t *)record->payload;
            plan->user_count = record->length / 4;
            break;
        case PLAN_SECCOMP:
            if (record->length % 8 || record->length / 8 > 4096) goto invalid;
            plan->seccomp = record->payload;
            plan->seccomp_count = record->length / 8;
            break;
        case PLAN_MOUNT: {
            struct plan_mount mount;
            if (record->length < sizeof mount + 2) goto invalid;
            memcpy(&mount, record->payload, sizeof mount);
            if (mount.source == 0 || mount.source >= record->length - sizeof mount) goto invalid;
            if (record->payload[sizeof mount + mount.source - 1] != 0 || !text(record, sizeof mount)) goto invalid;
            break;
        }
        case PLAN_DEVICE:
            if (!text(record, 16)) goto invalid;
            break;
        case PLAN_LAYER:
        case PLAN_CGROUP_TASKS:
        case PLAN_MASK:
        case PLAN_READ_ONLY:
            if (!text(record, 0)) goto invalid;
            break;
        default:
            if (!(record->flags & PLAN_OPTIONAL)) goto invalid;
        }
    }
    if (!plan->id || strlen(plan->id) != ID_LENGTH || !plan->arguments[0]) goto invalid;
    for (const char *c = plan->id; *c; c++)
        if (!((*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'f'))) goto invalid;
    return 0;
invalid:
    errno = EPROTO;
    return -1;
}

static int is_named_in(char *const *environment, const char *variable) {
    size_t length = strcspn(variable, "=") + 1;
    for (; *environment; environment++)
        if (strncmp(*environment, variable, length) == 0) return 1;
    return 0;
}

// Takes over from the container what an exec's plan leaves open.
int plan_inherit(struct plan *plan, const struct plan *base) {
    plan->base = base;
    if (!plan->directory) plan->directory = base->directory;
    if (!plan->oom_score) plan->oom_score = base->oom_score;
    plan->cgroup = base->cgroup;
    if (!plan->user) {
        plan->user = base->user;
        plan->user_count = base->user_count;
    }
    if (!plan->has_capabilities) plan->capabilities = base->capabilities;
    plan->seccomp = base->seccomp;
    plan->seccomp_count = base->seccomp_count;
    plan->flags |= base->flags & PLAN_FLAG_NO_NEW_PRIVILEGES;
    size_t count = 0;
    for (char **variable = plan->environment; *variable; variable++) count++;
    for (char **variable = base->environment; *variable; variable++) count++;
    char **all = calloc(count + 1, sizeof *all), **next = all;
    if (!all) return -1;
    for (char **variable = base->environment; *variable; variable++)
        if (!is_named_in(plan->environment, *variable)) *next++ = *variable;
    for (char **variable = plan->environment; *variable; variable++) *next++ = *variable;
    free(plan->environment);
    plan->environment = all;
    return 0;
}

void plan_close(struct plan *plan) {
    if (plan->bytes) munmap(plan->bytes, plan->size);
    free(plan->arguments);
    free(plan->environment);
    memset(plan, 0, sizeof *plan);
}
