// Those who ask: the daemon, and for a while a second one while it looks for its pods.
#define _GNU_SOURCE
#include "podinit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PACKET_LIMIT 4096

static int clients[CLIENTS_LIMIT];

void clients_begin(void) {
    for (int i = 0; i < CLIENTS_LIMIT; i++) clients[i] = -1;
}

int client_is_there(int client) { return client >= 0 && clients[client] >= 0; }

static void drop_client(int client) {
    if (clients[client] < 0) return;
    close_watched(clients[client]);
    clients[client] = -1;
    for (struct container *c = containers; c; c = c->next)
        if (c->client == client) c->client = -1;
}

void say_with(int client, enum message_type type, uint32_t request, const void *body, size_t count, int fd) {
    if (!client_is_there(client)) return;
    char packet[PACKET_LIMIT];
    struct message_header header = {(uint32_t)(sizeof header + count), (uint16_t)type, 0, request};
    memcpy(packet, &header, sizeof header);
    if (count) memcpy(packet + sizeof header, body, count);
    struct iovec part = {packet, header.length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    if (fd >= 0) {
        memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
    }
    ssize_t sent;
    do sent = sendmsg(clients[client], &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    // One that does not listen is let go: when it is back it asks for all that it missed.
    if (sent < 0) drop_client(client);
}

void say(int client, enum message_type type, uint32_t request, const void *body, size_t count) {
    say_with(client, type, request, body, count, -1);
}

void say_failure(int client, uint32_t request, enum stage stage, int error, const char *subject) {
    struct failure_report report = {.stage = stage, .error = error};
    snprintf(report.subject, sizeof report.subject, "%s", subject);
    say(client, MSG_FAILED, request, &report, sizeof report);
}

void client_hear(int client) {
    char packet[PACKET_LIMIT];
    struct iovec part = {packet, sizeof packet};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(8 * sizeof(int))];
    } control;
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t received = recvmsg(clients[client], &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (received <= 0) return drop_client(client);
    int fds[8], fds_count = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t number = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < number && fds_count < 8; i++)
            memcpy(&fds[fds_count++], CMSG_DATA(header) + i * sizeof(int), sizeof(int));
    }
    size_t offset = 0;
    while (!(message.msg_flags & MSG_TRUNC) && offset + sizeof(struct message_header) <= (size_t)received) {
        struct message_header header;
        memcpy(&header, packet + offset, sizeof header);
        if (header.length < sizeof header || header.length > (size_t)received - offset) break;
        handle(client, &header, packet + offset + sizeof header, fds, fds_count);
        if (clients[client] < 0) break;
        offset += header.length;
    }
    for (int i = 0; i < fds_count; i++)
        if (fds[i] >= 0) close(fds[i]);
}

void client_welcome(int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    for (int i = 0; i < CLIENTS_LIMIT; i++) {
        if (clients[i] >= 0) continue;
        clients[i] = fd;
        if (watch(fd, EPOLLIN, (uint64_t)(TAG_CLIENT + 2 * i)) < 0) return drop_client(i);
        char hello[128];
        const uint32_t magic = PROTOCOL_MAGIC;
        const uint16_t version[2] = {PROTOCOL_MAJOR, PROTOCOL_MINOR};
        memcpy(hello, &magic, 4);
        memcpy(hello + 4, version, 4);
        // The socket's credentials name who listened first, which was the daemon.
        const int32_t pid = getpid();
        memcpy(hello + 8, &pid, 4);
        size_t length = strnlen(pod_uid, sizeof hello - 12);
        memcpy(hello + 12, pod_uid, length);
        return say(i, MSG_HELLO, 0, hello, 12 + length);
    }
    close(fd);
}
