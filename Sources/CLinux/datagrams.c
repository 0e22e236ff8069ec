#define _GNU_SOURCE
#include "datagrams.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { batch = 64 };

static socklen_t to_address(const struct swl_peer *peer, struct sockaddr_storage *address) {
    memset(address, 0, sizeof *address);
    if (peer->is_ipv6) {
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(peer->port);
        memcpy(&six->sin6_addr, peer->address, 16);
        return sizeof *six;
    }
    struct sockaddr_in *four = (struct sockaddr_in *)address;
    four->sin_family = AF_INET;
    four->sin_port = htons(peer->port);
    memcpy(&four->sin_addr, peer->address, 4);
    return sizeof *four;
}

static void to_peer(const struct sockaddr_storage *address, struct swl_peer *peer) {
    memset(peer, 0, sizeof *peer);
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
        peer->is_ipv6 = 1;
        peer->port = ntohs(six->sin6_port);
        memcpy(peer->address, &six->sin6_addr, 16);
    } else {
        const struct sockaddr_in *four = (const struct sockaddr_in *)address;
        peer->port = ntohs(four->sin_port);
        memcpy(peer->address, &four->sin_addr, 4);
    }
}

int swl_receive_datagrams(int fd, struct swl_datagram *datagrams, int count, uint32_t capacity) {
    struct mmsghdr messages[batch];
    struct iovec parts[batch];
    struct sockaddr_storage addresses[batch];
    if (count > batch) count = batch;
    for (int index = 0; index < count; index++) {
        parts[index] = (struct iovec){.iov_base = datagrams[index].bytes, .iov_len = capacity};
        messages[index].msg_hdr = (struct msghdr){.msg_name = &addresses[index],
                                                  .msg_namelen = sizeof addresses[index],
                                                  .msg_iov = &parts[index],
                                                  .msg_iovlen = 1};
    }
    int received = recvmmsg(fd, messages, (unsigned)count, MSG_DONTWAIT, NULL);
    if (received < 0) return -errno;
    for (int index = 0; index < received; index++) {
        datagrams[index].count = messages[index].msg_len;
        to_peer(&addresses[index], &datagrams[index].peer);
    }
    return received;
}

int swl_send_datagrams(int fd, const struct swl_datagram *datagrams, int count) {
    struct mmsghdr messages[batch];
    struct iovec parts[batch];
    struct sockaddr_storage addresses[batch];
    if (count > batch) count = batch;
    for (int index = 0; index < count; index++) {
        parts[index] = (struct iovec){.iov_base = datagrams[index].bytes, .iov_len = datagrams[index].count};
        messages[index].msg_hdr =
            (struct msghdr){.msg_name = &addresses[index],
                            .msg_namelen = to_address(&datagrams[index].peer, &addresses[index]),
                            .msg_iov = &parts[index],
                            .msg_iovlen = 1};
    }
    int sent = sendmmsg(fd, messages, (unsigned)count, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}

static int new_socket(const struct swl_peer *place, int is_stream) {
    int type = (is_stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, on = 1;
    int fd = socket(place->is_ipv6 ? AF_INET6 : AF_INET, type, 0);
    if (fd < 0) return -errno;
    if (is_stream) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

int swl_listen_at(const struct swl_peer *place, int is_stream) {
    struct sockaddr_storage address;
    socklen_t length = to_address(place, &address);
    int on = 1, fd = new_socket(place, is_stream);
    if (fd < 0) return fd;
    // The address may come later than the socket. It works for either family.
    setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof on);
    if (is_stream) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, length) < 0 || (is_stream && listen(fd, 1024) < 0)) {
        int saved = errno;
        close(fd);
        return -saved;
    }
    return fd;
}

int swl_connect_to(const struct swl_peer *place, int is_stream) {
    struct sockaddr_storage address;
    socklen_t length = to_address(place, &address);
    int fd = new_socket(place, is_stream);
    if (fd < 0) return fd;
    if (connect(fd, (struct sockaddr *)&address, length) < 0 && errno != EINPROGRESS) {
        int saved = errno;
        close(fd);
        return -saved;
    }
    return fd;
}

int swl_accept_from(int fd, struct swl_peer *peer) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    int on = 1, accepted = accept4(fd, (struct sockaddr *)&address, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (accepted < 0) return -errno;
    setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    to_peer(&address, peer);
    return accepted;
}
