/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/relay/site.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

/* Both are counted under the site's lock, and freed by whoever lets go of them last. */
struct site_home {
    unsigned refs;
    struct http_page page;
    struct buf body;
    char *location;
};

struct site_names {
    unsigned refs;
    char *json;
};

struct site {
    pthread_mutex_t lock;
    struct site_home *home;
    struct site_names *names; /* NULL: none yet */
    char *challenges;         /* folder; NULL: none */
};

/* --- Home pages ------------------------------------------------------------------------------- */

static const char *type_of(const char *path)
{
    if (text_ends(path, ".html") || text_ends(path, ".htm"))
        return "text/html; charset=utf-8";
    if (text_ends(path, ".txt"))
        return "text/plain; charset=utf-8";
    return "application/octet-stream";
}

static bool load_file(const char *path, struct site_home *h, struct fault *f)
{
    struct fault inner;

    if (!file_read(path, &h->body, &inner))
        return fault_set(f, "home: %s", inner.text);
    h->page = (struct http_page){
        .type = type_of(path), .body = h->body.data, .n = h->body.len, .is_own = true};
    return true;
}

struct site_home *site_home_load(const char *home, struct fault *f)
{
    struct site_home *h = mem_alloc(1, sizeof *h);

    h->refs = 1;
    buf_init(&h->body, HTTP_PAGE_MAX);
    if (home == NULL)
        return h;
    h->page.type = type_of(".html");
    if (home[0] == '/') {
        if (!load_file(home, h, f)) {
            site_home_free(h);
            return NULL;
        }
    } else if (strcmp(home, "blank") != 0) {
        h->page.location = h->location = mem_strdup(home);
    }
    return h;
}

void site_home_free(struct site_home *h)
{
    if (h == NULL)
        return;
    buf_free(&h->body);
    free(h->location);
    free(h);
}

/* --- The site --------------------------------------------------------------------------------- */

static void free_names(struct site_names *n)
{
    if (n == NULL)
        return;
    free(n->json);
    free(n);
}

struct site *site_new(void)
{
    struct site *s = mem_alloc(1, sizeof *s);

    pthread_mutex_init(&s->lock, NULL);
    s->home = site_home_load(NULL, NULL);
    return s;
}

void site_free(struct site *s)
{
    if (s == NULL)
        return;
    site_home_free(s->home);
    free_names(s->names);
    free(s->challenges);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* Lets go of what a visitor or the site held; lock held. Returns what is to be freed, or NULL. */
static struct site_home *drop_home(struct site_home *h)
{
    return h != NULL && --h->refs == 0 ? h : NULL;
}

static struct site_names *drop_names(struct site_names *n)
{
    return n != NULL && --n->refs == 0 ? n : NULL;
}

void site_set_home(struct site *s, struct site_home *h)
{
    struct site_home *old;

    pthread_mutex_lock(&s->lock);
    old = drop_home(s->home);
    s->home = h;
    pthread_mutex_unlock(&s->lock);
    site_home_free(old);
}

void site_set_names(struct site *s, const char *json)
{
    struct site_names *n, *old;

    if (strlen(json) > HTTP_PAGE_MAX)
        return;
    n = mem_alloc(1, sizeof *n);
    n->refs = 1;
    n->json = mem_strdup(json);
    pthread_mutex_lock(&s->lock);
    old = drop_names(s->names);
    s->names = n;
    pthread_mutex_unlock(&s->lock);
    free_names(old);
}

/* --- Challenges ------------------------------------------------------------------------------- */

void site_set_challenges(struct site *s, const char *folder)
{
    char *fresh = mem_strdup(folder), *old;

    pthread_mutex_lock(&s->lock);
    old = s->challenges;
    s->challenges = fresh;
    pthread_mutex_unlock(&s->lock);
    free(old);
}

bool site_key_authorization(struct site *s, const char *token, struct buf *text)
{
    struct fault ignored;
    char *path;
    bool ok;

    pthread_mutex_lock(&s->lock);
    path = s->challenges != NULL ? mem_printf("%s/http-01.%s", s->challenges, token) : NULL;
    pthread_mutex_unlock(&s->lock);
    ok = path != NULL && file_exists(path) && file_read(path, text, &ignored);
    free(path);
    return ok && memchr(text->data, '\0', text->len) == NULL;
}

/* --- Visits ----------------------------------------------------------------------------------- */

void site_enter(struct site *s, struct site_visit *v, struct http_site *site)
{
    pthread_mutex_lock(&s->lock);
    v->home = s->home;
    v->home->refs++;
    v->names = s->names;
    if (v->names != NULL)
        v->names->refs++;
    pthread_mutex_unlock(&s->lock);
    site->home = v->home->page.type != NULL ? &v->home->page : NULL;
    site->names = v->names != NULL ? v->names->json : NULL;
}

void site_leave(struct site *s, struct site_visit *v)
{
    struct site_home *home;
    struct site_names *names;

    pthread_mutex_lock(&s->lock);
    home = drop_home(v->home);
    names = drop_names(v->names);
    pthread_mutex_unlock(&s->lock);
    site_home_free(home);
    free_names(names);
}
