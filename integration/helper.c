// What busybox lacks, for the test images: helper VERB ARGUMENTS...
//   udp-hostname PORT   answers every datagram with the host's name
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int udp_hostname(int port) {
    char name[256] = "", request[2048];
    gethostname(name, sizeof name - 1);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        perror("bind");
        return 1;
    }
    strcat(name, "\n");
    for (;;) {
        struct sockaddr_in peer;
        socklen_t length = sizeof peer;
        if (recvfrom(fd, request, sizeof request, 0, (struct sockaddr *)&peer, &length) < 0) continue;
        sendto(fd, name, strlen(name), 0, (struct sockaddr *)&peer, length);
    }
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "udp-hostname") == 0) return udp_hostname(atoi(argv[2]));
    fprintf(stderr, "helper: unknown verb\n");
    return 2;
}
