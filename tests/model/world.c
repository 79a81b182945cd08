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

void world_certificate(struct world *w, struct node *n, unsigned which)
{
    struct identity *id = n->certificates[w->count > 1 ? 0 : which % WORLD_CERTIFICATES];
    struct tls_server_options opt = {.domain = n->name};
    struct identity_info info;
    struct fault f;

    if (!relay_set_identity(n->relay, id, &opt, &f))
        give_up(&f);
    identity_info(id, &info);
    memcpy(n->leaf, info.sha256, sizeof n->leaf);
}

static void write_key_file(const struct world *w, const char *path, int32_t admitted)
{
    FILE *out = fopen(path, "w");
    char text[NODE_KEY_TEXT];

    if (out == NULL)
        give_up(&(struct fault){"no key file"});
    fputs("# who may use the relay\n", out);
    for (unsigned key = 0; key < KEYS; key++)
        if (admitted & 1 << key)
            fprintf(out, "%s\n", node_key_print(&w->keys[key].public_key, text));
    fclose(out);
}

/* Each list is a file of its own, so that none changes under the relay's eyes. */
void world_admit(struct world *w, struct node *n, int32_t admitted)
{
    struct config c;
    char *old = n->key_file;
    struct fault f;

    config_init(&c);
    c.recheck = 0;
    n->admitted = admitted;
    n->key_file = NULL;
    if (admitted != -1) {
        n->key_file = mem_printf("%s/keys-%u-%u", w->dir, (unsigned)(n - w->nodes), n->key_files++);
        write_key_file(w, n->key_file, admitted);
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

static void start_node(struct world *w, struct node *n)
{
    struct relay_options opt = {.workers = WORLD_WORKERS, .max_connections = 1000, .ageless = true};
    struct config c;
    struct fault f;

    config_init(&c);
    c.recheck = 0;
    snprintf(n->name, sizeof n->name, "relay%u.test", (unsigned)(n - w->nodes));
    make_keypair(&n->keys, 's', (unsigned)(n - w->nodes));
    opt.server_key = n->keys;
    opt.config = &c;
    opt.loop = w->loop;
    n->admitted = -1;
    if (!endpoint_parse("127.0.0.1:0", 1, &n->at) ||
        (n->listener = listener_open(&n->at, &f)) == NULL ||
        (n->relay = relay_new(&opt, &f)) == NULL)
        give_up(&f);
    for (int i = 0; i < WORLD_CERTIFICATES; i++) {
        n->certificates[i] = identity_self_signed(n->name, 30, &f);
        if (n->certificates[i] == NULL ||
            !identity_add_meta(n->certificates[i], &n->keys.public_key, &f))
            give_up(&f);
    }
    world_certificate(w, n, 0);
    listener_start(n->listener, w->loop, on_accept, n);
    config_free(&c);
}

/* --- Mesh ----------------------------------------------------------------------------------- */

static void append_file(const char *from, FILE *out)
{
    FILE *in = fopen(from, "r");
    int c;

    if (in == NULL)
        give_up(&(struct fault){"no certificate file"});
    while ((c = fgetc(in)) != EOF)
        fputc(c, out);
    fclose(in);
}

/* What links need, a key and the certificates that they are shown; clients read them, too, rather
 * than the system's. */
static void write_files(struct world *w)
{
    char *chain = mem_printf("%s/chain", w->dir), *key = mem_printf("%s/key", w->dir);
    FILE *out;
    struct fault f;

    w->mesh_key_file = mem_printf("%s/mesh.key", w->dir);
    w->ca_file = mem_printf("%s/ca.pem", w->dir);
    out = fopen(w->mesh_key_file, "w");
    if (out == NULL)
        give_up(&(struct fault){"no mesh key file"});
    for (int i = 0; i < KEY_LEN; i++)
        fputs("5a", out);
    fclose(out);
    out = fopen(w->ca_file, "w");
    for (unsigned i = 0; out != NULL && i < w->count; i++) {
        if (!identity_save(w->nodes[i].certificates[0], chain, key, &f))
            give_up(&f);
        append_file(chain, out);
    }
    if (out == NULL)
        give_up(&(struct fault){"no file of certificates"});
    fclose(out);
    unlink(chain);
    unlink(key);
    free(chain);
    free(key);
}

void world_links(struct world *w, bool linked[NODES_MAX][NODES_MAX])
{
    for (unsigned from = 0; from < w->count; from++) {
        struct config c;
        struct fault f;

        config_init(&c);
        c.mesh_key_file = mem_strdup(w->mesh_key_file);
        c.mesh_ca_file = mem_strdup(w->ca_file);
        for (unsigned to = 0; to < w->count; to++)
            if (linked[from][to])
                c.mesh_with[c.mesh_count++] =
                    (struct config_mesh_node){.host = mem_strdup(w->nodes[to].name),
                                              .dial = mem_strdup("127.0.0.1"),
                                              .port = endpoint_port(&w->nodes[to].at)};
        if (!relay_set_mesh(w->nodes[from].relay, &c, &f))
            give_up(&f);
        config_free(&c);
    }
}

/* --- From start to end ---------------------------------------------------------------------- */

static void on_drained_here(void *arg)
{
    struct world *w = arg;

    (void)w;
    loop_stop(w->loop);
}

void world_start(struct world *w, struct loop *loop, unsigned count, const char *dir)
{
    *w = (struct world){.loop = loop, .count = count, .dir = mem_strdup(dir)};
    loop_wake_init(&w->drained, loop, on_drained_here, w);
    for (unsigned i = 0; i < KEYS_ALL; i++)
        make_keypair(&w->keys[i], 'c', i);
    for (unsigned i = 0; i < count; i++)
        start_node(w, &w->nodes[i]);
    write_files(w);
}

/* On a worker's thread. */
static void on_drained(void *arg)
{
    struct world *w = arg;

    __atomic_fetch_sub(&w->draining, 1, __ATOMIC_SEQ_CST);
    loop_wake_send(&w->drained);
}

void world_drain(struct world *w, int64_t bound_ms)
{
    w->draining = w->count;
    for (unsigned i = 0; i < w->count; i++) {
        listener_close(w->nodes[i].listener);
        w->nodes[i].listener = NULL;
        relay_drain(w->nodes[i].relay, bound_ms, on_drained, w);
    }
}

void world_stop(struct world *w)
{
    for (unsigned i = 0; i < w->count; i++) {
        struct node *n = &w->nodes[i];
        listener_close(n->listener);
        relay_free(n->relay);
        for (int k = 0; k < WORLD_CERTIFICATES; k++)
            identity_free(n->certificates[k]);
        for (unsigned k = 0; k < n->key_files; k++) {
            char *path = mem_printf("%s/keys-%u-%u", w->dir, i, k);
            unlink(path);
            free(path);
        }
        free(n->key_file);
    }
    loop_wake_stop(&w->drained);
    unlink(w->mesh_key_file);
    unlink(w->ca_file);
    free(w->mesh_key_file);
    free(w->ca_file);
    free(w->dir);
}
