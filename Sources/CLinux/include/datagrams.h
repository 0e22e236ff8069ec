// Datagrams in batches (recvmmsg(2), sendmmsg(2)) and connections, to and from addresses of either family.
#pragma once
#include <stdint.h>

struct swl_peer {
    uint32_t address[4]; // network order; IPv4 in the first word
    uint16_t port;       // host order
    uint16_t is_ipv6;
};
struct swl_datagram {
    void *bytes;
    uint32_t count;
    struct swl_peer peer;
};

// Take at most 64; the count of those that came or went, or -errno. They never wait.
int swl_receive_datagrams(int fd, struct swl_datagram *datagrams, int count, uint32_t capacity);
int swl_send_datagrams(int fd, const struct swl_datagram *datagrams, int count);

// A bound socket, listening where it is a stream's: the descriptor, or -errno. The address need not be there yet.
int swl_listen_at(const struct swl_peer *place, int is_stream);
// A connected socket; a stream's may still be under way.
int swl_connect_to(const struct swl_peer *place, int is_stream);
int swl_accept_from(int fd, struct swl_peer *peer);
