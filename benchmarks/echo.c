/* The floor of the benchmarks: the least a batching UDP server can cost on this kernel.
   It sets QR in each datagram and sends it back, 64 to a system call. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { BATCH = 64, SIZE = 2048, HEADER = 12, BUFFER = 4 << 20 };

static unsigned char data[BATCH][SIZE];
static struct sockaddr_in peers[BATCH];
static struct iovec vectors[BATCH];
static struct mmsghdr messages[BATCH];

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int buffer = BUFFER;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (argc != 2 || fd < 0) {
        fprintf(stderr, "usage: echo PORT\n");
        return 2;
    }
    address.sin_port = htons((unsigned short)atoi(argv[1]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        perror("echo: bind");
        return 1;
    }
    for (int i = 0; i < BATCH; i++) {
        vectors[i].iov_base = data[i];
        messages[i].msg_hdr.msg_iov = &vectors[i];
        messages[i].msg_hdr.msg_iovlen = 1;
        messages[i].msg_hdr.msg_name = &peers[i];
    }
    for (;;) {
        for (int i = 0; i < BATCH; i++) {
            vectors[i].iov_len = SIZE;
            messages[i].msg_hdr.msg_namelen = sizeof peers[i];
        }
        int got = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
        for (int i = 0; i < got; i++) {
            vectors[i].iov_len = messages[i].msg_len;
            if (messages[i].msg_len >= HEADER)
                data[i][2] |= 0x80;
        }
        for (int sent = 0; sent < got;) {
            int now = sendmmsg(fd, messages + sent, (unsigned)(got - sent), 0);
            sent += now > 0 ? now : 1; /* skip a datagram that cannot be sent */
        }
    }
}
