/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/net/names.h"

#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/mem.h"

struct ask {
    char *host;
    uint16_t port;
    names_done done;
    void *arg;
    struct ask *next;
};

/* Freed by the thread: a lookup can take longer than anybody wants to wait at the end. */
struct names {
    pthread_mutex_t lock;
    pthread_cond_t news;
    struct ask *asks; /* oldest first */
    bool stop;
};

static void ask_free(struct ask *a)
{
    free(a->host);
    free(a->arg);
    free(a);
}

static size_t look_up(const struct ask *a, struct endpoint list[static NAMES_MAX],
                      const char **problem)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    size_t count = 0;
    int error = getaddrinfo(a->host, NULL, &hints, &found);

    *problem = error != 0 ? gai_strerror(error) : "";
    for (struct addrinfo *i = found; i != NULL && count < NAMES_MAX; i = i->ai_next) {
        if (i->ai_addrlen > sizeof list[count])
            continue;
        memset(&list[count], 0, sizeof list[count]);
        memcpy(&list[count], i->ai_addr, i->ai_addrlen);
        if (endpoint_len(&list[count]) == 0)
            continue;
        endpoint_set_port(&list[count++], a->port);
    }
    if (found != NULL)
        freeaddrinfo(found);
    if (error == 0 && count == 0)
        *problem = "it has no address";
    return count;
}

static struct ask *next_ask(struct names *n)
{
    struct ask *a;

    while (n->asks == NULL && !n->stop)
        pthread_cond_wait(&n->news, &n->lock);
    a = n->stop ? NULL : n->asks;
    if (a != NULL)
        LL_DELETE(n->asks, a);
    return a;
}

static void *run(void *arg)
{
    struct names *n = arg;
    struct endpoint list[NAMES_MAX];
    struct ask *a, *next;

    pthread_mutex_lock(&n->lock);
    while ((a = next_ask(n)) != NULL) {
        const char *problem;
        size_t count;

        pthread_mutex_unlock(&n->lock);
        count = look_up(a, list, &problem);
        pthread_mutex_lock(&n->lock);
        if (!n->stop) /* under the lock: after names_free nobody is called */
            a->done(a->arg, list, count, problem);
        ask_free(a);
    }
    LL_FOREACH_SAFE(n->asks, a, next)
    ask_free(a);
    pthread_mutex_unlock(&n->lock);
    pthread_cond_destroy(&n->news);
    pthread_mutex_destroy(&n->lock);
    free(n);
    return NULL;
}

struct names *names_new(void)
{
    struct names *n = mem_alloc(1, sizeof *n);
    pthread_t thread;

    pthread_mutex_init(&n->lock, NULL);
    pthread_cond_init(&n->news, NULL);
    if (pthread_create(&thread, NULL, run, n) != 0)
        abort();
    pthread_setname_np(thread, "derpd-names");
    pthread_detach(thread);
    return n;
}

/* What needs no lookup must not wait for others' lookups. */
static bool answer_address(const char *host, uint16_t port, names_done done, void *arg)
{
    struct endpoint address;

    if (!endpoint_parse_ip(host, &address))
        return false;
    endpoint_set_port(&address, port);
    done(arg, &address, 1, "");
    free(arg);
    return true;
}

void names_ask(struct names *n, const char *host, uint16_t port, names_done done, void *arg)
{
    struct ask *a;

    if (answer_address(host, port, done, arg))
        return;
    a = mem_alloc(1, sizeof *a);

    a->host = mem_strdup(host);
    a->port = port;
    a->done = done;
    a->arg = arg;
    pthread_mutex_lock(&n->lock);
    LL_APPEND(n->asks, a);
    pthread_cond_signal(&n->news);
    pthread_mutex_unlock(&n->lock);
}

void names_free(struct names *n)
{
    if (n == NULL)
        return;
    pthread_mutex_lock(&n->lock);
    n->stop = true;
    pthread_cond_signal(&n->news);
    pthread_mutex_unlock(&n->lock);
}
