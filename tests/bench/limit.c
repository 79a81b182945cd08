/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limit SIZE IN OUT: what relaying a packet of SIZE bytes costs at least, as JSON: deciphering
 * records of IN frames, enciphering records of OUT frames (AES-128-GCM), and a bare copy from one
 * TCP connection to another. CPU time of the one thread that does it, in microseconds per packet;
 * the least of several runs.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD   37 /* of a frame: type, length, key */
#define RECORD 22 /* of a TLS 1.3 record: header, content type, tag */
#define RUNS   5
#define TOTAL  (64 << 20) /* bytes of a run */
#define CHUNK  (64 << 10)

static double cpu_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Seconds for one record. */
static double cipher_cost(size_t bytes, int is_sealing)
{
    static uint8_t in[1 << 17], out[1 << 17], key[16], nonce[12], aad[5], tag[16];
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int rounds = (int)(TOTAL / (bytes + 256)), n;
    double begin;

    EVP_CipherInit_ex(c, EVP_aes_128_gcm(), NULL, key, nonce, is_sealing);
    begin = cpu_now();
    for (int i = 0; i < rounds; i++) {
        EVP_CipherInit_ex(c, NULL, NULL, NULL, nonce, is_sealing);
        if (!is_sealing)
            EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, 16, tag);
        EVP_CipherUpdate(c, NULL, &n, aad, sizeof aad);
        EVP_CipherUpdate(c, out, &n, in, (int)bytes);
        EVP_CipherFinal_ex(c, out + n, &n); /* fails when opening: the tag is not right */
        if (is_sealing)
            EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, tag);
    }
    begin = (cpu_now() - begin) / rounds;
    EVP_CIPHER_CTX_free(c);
    return begin;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void connect_pair(int ends[2])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&at, len) != 0 ||
        listen(listener, 1) != 0 || getsockname(listener, (struct sockaddr *)&at, &len) != 0 ||
        connect(ends[0], (struct sockaddr *)&at, len) != 0)
        die("limit: connect");
    ends[1] = accept(listener, NULL, NULL);
    close(listener);
    setsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(ends[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

struct end {
    int fd;
    size_t write; /* bytes of a write */
};

static void *feed(void *arg)
{
    static uint8_t data[CHUNK];
    const struct end *e = arg;
    size_t left = TOTAL;

    while (left > 0) {
        ssize_t n = write(e->fd, data, e->write < left ? e->write : left);
        if (n <= 0)
            die("limit: write");
        left -= (size_t)n;
    }
    return NULL;
}

static void *drink(void *arg)
{
    static uint8_t data[CHUNK];
    const struct end *e = arg;

    for (size_t left = TOTAL; left > 0;) {
        ssize_t n = read(e->fd, data, sizeof data);
        if (n <= 0)
            die("limit: read");
        left -= (size_t)n;
    }
    return NULL;
}

/* CPU seconds per byte of the thread in the middle. */
static double copy_cost(size_t in, size_t out)
{
    static uint8_t data[CHUNK];
    int from[2], to[2];
    struct end source, sink;
    pthread_t threads[2];
    double begin;

    connect_pair(from);
    connect_pair(to);
    source = (struct end){from[0], in};
    sink = (struct end){to[1], 0};
    pthread_create(&threads[0], NULL, feed, &source);
    pthread_create(&threads[1], NULL, drink, &sink);
    begin = cpu_now();
    for (size_t left = TOTAL; left > 0;) {
        ssize_t n = read(from[1], data, sizeof data);
        if (n <= 0)
            die("limit: read");
        for (ssize_t at = 0; at < n;) {
            size_t part = out == 0 || (size_t)(n - at) < out ? (size_t)(n - at) : out;
            ssize_t sent = write(to[0], data + at, part);
            if (sent <= 0)
                die("limit: write");
            at += sent;
        }
        left -= (size_t)n;
    }
    begin = cpu_now() - begin;
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    for (int i = 0; i < 2; i++) {
        close(from[i]);
        close(to[i]);
    }
    return begin / TOTAL;
}

static double least_of(double a, double b)
{
    return a < b ? a : b;
}

int main(int argc, char **argv)
{
    size_t frame, in, out;
    double best_open = 1, best_seal = 1, best_copy = 1;

    if (argc != 4) {
        fprintf(stderr, "usage: limit SIZE IN OUT\n");
        return 2;
    }
    frame = HEAD + (size_t)atoi(argv[1]);
    in = frame * (size_t)atoi(argv[2]);
    out = frame * (size_t)atoi(argv[3]);
    for (int i = 0; i < RUNS; i++) {
        best_open = least_of(best_open, cipher_cost(in, 0) / atoi(argv[2]));
        best_seal = least_of(best_seal, cipher_cost(out, 1) / atoi(argv[3]));
        best_copy =
            least_of(best_copy, copy_cost(in + RECORD, atoi(argv[3]) == 1 ? out + RECORD : 0));
    }
    printf("{\"us\": %f, \"open_us\": %f, \"seal_us\": %f, \"copy_us\": %f}\n",
           1e6 * (best_open + best_seal + best_copy * (double)(frame + RECORD)), 1e6 * best_open,
           1e6 * best_seal, 1e6 * best_copy * (double)(frame + RECORD));
    return 0;
}
