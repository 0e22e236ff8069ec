// The containers' output, as lines in the CRI's format: `2006-01-02T15:04:05.000000000Z stdout F text`, with P for the
// parts of a line that is longer than 16 KiB, or that has no end.
#define _GNU_SOURCE
#include "podinit.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char input[64 << 10];
static char output[64 << 10];
static size_t output_count;

int log_open(struct log *log) {
    log->fd = open(log->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (log->fd < 0) return -1;
    struct stat info;
    log->size = fstat(log->fd, &info) == 0 ? info.st_size : 0;
    return 0;
}

void log_close(struct log *log) {
    if (log->fd >= 0) close(log->fd);
    log->fd = -1;
}

static int64_t date_second = -1;
static char stamp[31]; // 2006-01-02T15:04:05.000000000Z, of the read that is being taken

static void take_time(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != date_second) {
        struct tm parts;
        gmtime_r(&now.tv_sec, &parts);
        strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S.", &parts);
        date_second = now.tv_sec;
    }
    long nanos = now.tv_nsec;
    for (int digit = 28; digit >= 20; digit--) {
        stamp[digit] = (char)('0' + nanos % 10);
        nanos /= 10;
    }
    stamp[29] = 'Z';
}

static int is_newer_name(const char *left, const char *right) { return strcmp(left, right) > 0; }

// Removes the oldest files of a log, so that with the current one and the one to come there are no more than allowed.
static void remove_oldest(struct log *log) {
    char *slash = strrchr(log->path, '/');
    if (!slash) return;
    char folder[4096];
    size_t length = (size_t)(slash - log->path);
    if (length >= sizeof folder) return;
    memcpy(folder, log->path, length);
    folder[length] = 0;
    const char *base = slash + 1;
    size_t base_length = strlen(base);
    uint32_t kept = log->files_limit > 1 ? log->files_limit - 1 : 0;
    for (int round = 0; round < 64; round++) {
        DIR *stream = opendir(folder);
        if (!stream) return;
        char oldest[256] = "";
        uint32_t count = 0;
        struct dirent *entry;
        while ((entry = readdir(stream))) {
            // base.20060102-150405.nnnnnnnnn
            if (strncmp(entry->d_name, base, base_length) != 0 || entry->d_name[base_length] != '.') continue;
            if (entry->d_name[base_length + 1] < '0' || entry->d_name[base_length + 1] > '9') continue;
            count++;
            if (!*oldest || is_newer_name(oldest, entry->d_name)) strcpy(oldest, entry->d_name);
        }
        int is_removed = count > kept && unlinkat(dirfd(stream), oldest, 0) == 0;
        closedir(stream);
        if (!is_removed || count - 1 <= kept) return;
    }
}

static void rotate(struct log *log) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm parts;
    gmtime_r(&now.tv_sec, &parts);
    char day[32], name[4352];
    strftime(day, sizeof day, "%Y%m%d-%H%M%S", &parts);
    if ((size_t)snprintf(name, sizeof name, "%s.%s.%09ld", log->path, day, now.tv_nsec) >= sizeof name) return;
    log_close(log);
    // Of a log of one file nothing is kept.
    if (log->files_limit > 1) rename(log->path, name);
    else unlink(log->path);
    remove_oldest(log);
    log_open(log);
}

static void flush(struct log *log) {
    if (output_count == 0) return;
    if (log->size_limit > 0 && log->size > 0 && log->size + (int64_t)output_count > log->size_limit) rotate(log);
    // Gone (the folder was removed): the container goes on, its output is lost until the folder is back.
    if (log->fd < 0) log_open(log);
    size_t offset = 0;
    while (log->fd >= 0 && offset < output_count) {
        ssize_t count = write(log->fd, output + offset, output_count - offset);
        if (count < 0 && errno == EINTR) continue;
        // A full disk must not stop a container: what does not fit is lost.
        if (count < 0) break;
        offset += (size_t)count;
        log->size += count;
    }
    output_count = 0;
}

static void emit(struct stream *stream, char tag, const char *first, size_t first_count,
                 const char *second, size_t second_count) {
    struct log *log = &stream->container->log;
    size_t need = 48 + first_count + second_count;
    // The bound of a small log holds too.
    size_t capacity = sizeof output;
    if (log->size_limit > 0 && (uint64_t)log->size_limit < capacity) capacity = (size_t)log->size_limit;
    if (output_count > 0 && output_count + need > capacity) flush(log);
    char *at = output + output_count;
    memcpy(at, stamp, 30);
    at += 30;
    *at++ = ' ';
    memcpy(at, stream->name, 6);
    at += 6;
    *at++ = ' ';
    *at++ = tag;
    *at++ = ' ';
    memcpy(at, first, first_count);
    at += first_count;
    memcpy(at, second, second_count);
    at += second_count;
    *at++ = '\n';
    output_count = (size_t)(at - output);
}

// Takes what has no end of line yet, in parts of the limit.
static void keep(struct stream *stream, const char *bytes, size_t count) {
    if (count == 0) return;
    if (!stream->pending && !(stream->pending = malloc(LINE_LIMIT))) return;
    while (count > 0) {
        if (stream->pending_count == LINE_LIMIT) {
            emit(stream, 'P', stream->pending, LINE_LIMIT, "", 0);
            stream->pending_count = 0;
        }
        size_t part = LINE_LIMIT - stream->pending_count;
        if (part > count) part = count;
        memcpy(stream->pending + stream->pending_count, bytes, part);
        stream->pending_count += part;
        bytes += part;
        count -= part;
    }
}

static void take(struct stream *stream, const char *bytes, size_t count) {
    take_time();
    while (count > 0) {
        const char *end = memchr(bytes, '\n', count);
        if (!end) {
            keep(stream, bytes, count);
            break;
        }
        size_t length = (size_t)(end - bytes);
        // A line that is longer than the limit gives up its first parts.
        while (stream->pending_count + length > LINE_LIMIT) {
            size_t part = LINE_LIMIT - stream->pending_count;
            emit(stream, 'P', stream->pending ? stream->pending : "", stream->pending_count, bytes, part);
            stream->pending_count = 0;
            bytes += part;
            length -= part;
            count -= part;
        }
        emit(stream, 'F', stream->pending ? stream->pending : "", stream->pending_count, bytes, length);
        stream->pending_count = 0;
        bytes += length + 1;
        count -= length + 1;
    }
    flush(&stream->container->log);
}

int stream_read(struct stream *stream) {
    ssize_t count = read(stream->fd, input, sizeof input);
    if (count < 0) return errno == EAGAIN || errno == EINTR ? -1 : 0;
    if (count == 0) return 0;
    attached_take(stream, input, (size_t)count);
    take(stream, input, (size_t)count);
    return 1;
}

void stream_finish(struct stream *stream) {
    if (stream->fd < 0) return;
    if (stream->fd == stream->container->terminal) stream->container->terminal = -1;
    close_watched(stream->fd);
    stream->fd = -1;
    if (stream->pending_count > 0) {
        take_time();
        // No end of line was written, and none is made up: whoever reads the log gets the very bytes.
        emit(stream, 'P', stream->pending, stream->pending_count, "", 0);
        flush(&stream->container->log);
    }
    free(stream->pending);
    stream->pending = NULL;
    stream->pending_count = 0;
    attached_finish(stream);
}
