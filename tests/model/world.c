/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/model/world.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/config.h"
#include "base/mem.h"
#include "derp/net/listener.h"

static _Noreturn void give_up(const struct fault *f)
{
    fprintf(stderr, "the relay does not start: %s\n", f->text);
    exit(1);
}

static void on_accept(void *arg, int fd, const struct endpoint *peer)
{
    struct node *n = arg;
    int buffer = WORLD_BUFFER, patience = 600000;

    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    /* Whoever does not read is the relay's business here, not the kernel's. */
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof patience);
    relay_accept(n->relay, fd, peer, RELAY_PORT_TLS);
}

void world_certificate(struct node *n, unsigned which)
{
    struct identity *id = n->certificates[which % WORLD_CERTIFICATES];
    struct tls_server_options opt = {.domain = WORLD_NAME};
    struct identity_info info;
    struct fault f;

    if (!relay_set_identity(n->relay, id, &opt, &f))
        give_up(&f);
    identity_info(id, &info);
    memcpy(n->leaf, info.sha256, sizeof n->leaf);
}

static void write_key_file(const struct world *r, const char *path, int32_t admitted)
{
    FILE *out = fopen(path, "w");
    char text[NODE_KEY_TEXT];

    if (out == NULL)
        give_up(&(struct fault){"no key file"});
    fputs("# who may use the relay\n", out);
    for (unsigned key = 0; key < KEYS; key++)
        if (admitted & 1 << key)
            fprintf(out, "%s\n", node_key_print(&r->keys[key].public_key, text));
    fclose(out);
}

/* Each list is a file of its own, so that none changes under the relay's eyes. */
void world_admit(struct world *r, struct node *n, int32_t admitted)
{
    struct config c;
    char *old = n->key_file;
    struct fault f;

    config_init(&c);
    c.recheck = 0;
    n->admitted = admitted;
    n->key_file = NULL;
    if (admitted != -1) {
        n->key_file = mem_printf("%s/keys-%u-%u", r->dir, (unsigned)(n - r->nodes), n->key_files++);
        write_key_file(r, n->key_file, admitted);
        c.allow[0].kind = CONFIG_ALLOW_KEYS;
        c.allow[0].where = mem_strdup(n->key_file);
        c.allow_count = 1;
    }
    if (!relay_set_admission(n->relay, &c, &f))
        give_up(&f);
    config_free(&c);
    free(old); /* the file stays: the relay may look at it once more */
}

bool world_admits(const struct node *n, unsigned key)
{
    return n->admitted == -1 || n->admitted & 1 << key;
}

static void make_keypair(struct keypair *pair, uint8_t kind, unsigned number)
{
    uint8_t seed[KEY_LEN] = {kind, (uint8_t)number, 1};

    keypair_from_seed(seed, pair);
}

static void start_node(struct world *r, struct node *n)
{
    struct relay_options opt = {.workers = WORLD_WORKERS, .max_connections = 1000};
    struct config c;
    struct fault f;

    config_init(&c);
    c.recheck = 0;
    make_keypair(&n->keys, 's', (unsigned)(n - r->nodes));
    opt.server_key = n->keys;
    opt.config = &c;
    opt.loop = r->loop;
    n->admitted = -1;
    if (!endpoint_parse("127.0.0.1:0", 1, &n->at) ||
        (n->listener = listener_open(&n->at, &f)) == NULL ||
        (n->relay = relay_new(&opt, &f)) == NULL)
        give_up(&f);
    for (int i = 0; i < WORLD_CERTIFICATES; i++) {
        n->certificates[i] = identity_self_signed(WORLD_NAME, 30, &f);
        if (n->certificates[i] == NULL ||
            !identity_add_meta(n->certificates[i], &n->keys.public_key, &f))
            give_up(&f);
    }
    world_certificate(n, 0);
    listener_start(n->listener, r->loop, on_accept, n);
    config_free(&c);
}

static void on_drained_here(void *arg)
{
    struct world *r = arg;

    (void)r;
    loop_stop(r->loop);
}

void world_start(struct world *r, struct loop *loop, unsigned count, const char *dir)
{
    *r = (struct world){.loop = loop, .count = count, .dir = mem_strdup(dir)};
    loop_wake_init(&r->drained, loop, on_drained_here, r);
    for (unsigned i = 0; i < KEYS_ALL; i++)
        make_keypair(&r->keys[i], 'c', i);
    for (unsigned i = 0; i < count; i++)
        start_node(r, &r->nodes[i]);
}

/* On a worker's thread. */
static void on_drained(void *arg)
{
    struct world *r = arg;

    __atomic_fetch_sub(&r->draining, 1, __ATOMIC_SEQ_CST);
    loop_wake_send(&r->drained);
}

void world_drain(struct world *r, int64_t bound_ms)
{
    r->draining = r->count;
    for (unsigned i = 0; i < r->count; i++) {
        listener_close(r->nodes[i].listener);
        r->nodes[i].listener = NULL;
        relay_drain(r->nodes[i].relay, bound_ms, on_drained, r);
    }
}

void world_stop(struct world *r)
{
    for (unsigned i = 0; i < r->count; i++) {
        struct node *n = &r->nodes[i];
        listener_close(n->listener);
        relay_free(n->relay);
        for (int k = 0; k < WORLD_CERTIFICATES; k++)
            identity_free(n->certificates[k]);
        for (unsigned k = 0; k < n->key_files; k++) {
            char *path = mem_printf("%s/keys-%u-%u", r->dir, i, k);
            unlink(path);
            free(path);
        }
        free(n->key_file);
    }
    loop_wake_stop(&r->drained);
    free(r->dir);
}
