/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/ops/certificate.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/selfsigned.h"

#define LOOK_MS        250
#define AGAIN_MS       60000
#define META_RENEW_S   (7 * 86400) /* the meta certificate lives 30 days */
#define META_RETRY_S   3600
#define TEMPORARY_DAYS 30
#define NEXT_LOOK_S    3600
#define START_SLACK_S  3900 /* our clock may be an hour behind a CA's: derp-acme orders with it */

/* Enough of stat() to notice a file that was rewritten, replaced or relinked. */
struct signature {
    dev_t dev[2];
    ino_t ino[2];
    struct timespec changed[2];
    off_t size[2];
};

/* Where chain and key are. */
struct pair {
    char *chain;
    char *key;
};

struct certificate_watch {
    const struct config *config;
    struct relay *relay;
    struct node_key server_key;
    struct loop_timer look;
    struct pair pair;
    struct signature loaded;   /* what the newest attempt has read */
    struct signature seen;     /* what the last look saw: a pair is read once it stands still */
    int64_t again_ms;          /* when a refused pair is read again (clock_mono_ms), 0: none was */
    struct identity *identity; /* presented now */
    bool is_own;               /* it is the one of source = self-signed */
    time_t next_look;          /* of a certificate of its own: is another one due? */
    time_t meta_due;           /* when its meta certificate is to be made anew */
    struct certificate_status status;
};

const char *certificate_state_name(enum certificate_state s)
{
    static const char *const names[] = {[CERTIFICATE_TEMPORARY] = "temporary",
                                        [CERTIFICATE_GOOD] = "good",
                                        [CERTIFICATE_EXPIRED] = "expired"};
    return names[s];
}

static struct pair pair_of(const struct config *c)
{
    switch (c->source) {
    case CONFIG_SOURCE_FILES:
        return (struct pair){mem_strdup(c->chain), mem_strdup(c->key)};
    case CONFIG_SOURCE_SELF_SIGNED:
        return (struct pair){file_join(c->state_dir, SELFSIGNED_CHAIN),
                             file_join(c->state_dir, SELFSIGNED_KEY)};
    default:
        return (struct pair){mem_printf("%s/current/fullchain.pem", c->cert_dir),
                             mem_printf("%s/current/privkey.pem", c->cert_dir)};
    }
}

static void pair_free(struct pair *p)
{
    free(p->chain);
    free(p->key);
    *p = (struct pair){0};
}

/* A missing file has a signature of zeros. */
static struct signature look_at(const struct pair *p)
{
    const char *const paths[2] = {p->chain, p->key};
    struct signature s;

    memset(&s, 0, sizeof s);
    for (int i = 0; i < 2; i++) {
        struct stat st;
        if (stat(paths[i], &st) != 0)
            continue;
        s.dev[i] = st.st_dev;
        s.ino[i] = st.st_ino;
        s.changed[i] = st.st_ctim;
        s.size[i] = st.st_size;
    }
    return s;
}

static bool same(const struct signature *a, const struct signature *b)
{
    for (int i = 0; i < 2; i++)
        if (a->dev[i] != b->dev[i] || a->ino[i] != b->ino[i] || a->size[i] != b->size[i] ||
            a->changed[i].tv_sec != b->changed[i].tv_sec ||
            a->changed[i].tv_nsec != b->changed[i].tv_nsec)
            return false;
    return true;
}

/* Judges dates now: a certificate may expire while nothing changes. */
static void judge(struct certificate_watch *w)
{
    struct certificate_status *s = &w->status;
    time_t now = clock_wall();
    bool begun = now >= s->info.not_before - START_SLACK_S;
    bool valid = begun && now < s->info.not_after;

    if (s->state == CERTIFICATE_GOOD && !valid) {
        log_error("the certificate of %s is %s: clients are kept away", s->info.subject,
                  begun ? "expired" : "not valid yet (is the clock right?)");
        s->state = CERTIFICATE_EXPIRED;
    } else if (s->state == CERTIFICATE_EXPIRED && valid) {
        s->state = CERTIFICATE_GOOD;
    }
    relay_set_ready(w->relay, s->state == CERTIFICATE_GOOD);
}

/* Gives id to the relay; on success it is the watch's. */
static bool present(struct certificate_watch *w, struct identity *id, enum certificate_state state,
                    struct fault *f)
{
    const struct config *c = w->config;
    char *challenges = c->source == CONFIG_SOURCE_ACME ? file_join(c->cert_dir, "challenge") : NULL;
    struct tls_server_options opt = {.domain = c->domain, .challenge_dir = challenges};
    bool ok = identity_add_meta(id, &w->server_key, f) && relay_set_identity(w->relay, id, &opt, f);

    relay_set_challenges(w->relay, challenges);
    free(challenges);
    if (!ok)
        return false;
    if (id != w->identity)
        identity_free(w->identity);
    w->identity = id;
    w->meta_due = clock_wall() + META_RENEW_S;
    identity_info(id, &w->status.info);
    w->status.state = state;
    judge(w);
    return true;
}

static void log_presented(const struct certificate_status *s, const char *what)
{
    char until[CLOCK_TEXT];

    log_info("%s certificate for %s by %s, valid until %s", what, s->info.subject, s->info.issuer,
             clock_print(s->info.not_after, until));
}

static bool load_pair(struct certificate_watch *w, struct fault *f)
{
    uint8_t old[32];
    struct identity *id = identity_load(w->pair.chain, w->pair.key, w->config->domain, f);
    bool ok;

    memcpy(old, w->status.info.sha256, sizeof old);
    ok = id != NULL && present(w, id, CERTIFICATE_GOOD, f);
    if (!ok) {
        identity_free(id);
    } else {
        w->status.problem[0] = '\0';
        w->again_ms = 0;
        w->is_own = w->config->source == CONFIG_SOURCE_SELF_SIGNED;
    }
    if (ok && memcmp(old, w->status.info.sha256, sizeof old) != 0) {
        w->status.reloads++;
        log_presented(&w->status, "now serving the");
    }
    return ok;
}

static bool load_temporary(struct certificate_watch *w, struct fault *f)
{
    const char *name = w->config->domain != NULL ? w->config->domain : "localhost";
    struct identity *id = identity_self_signed(name, TEMPORARY_DAYS, f);
    bool ok = id != NULL && present(w, id, CERTIFICATE_TEMPORARY, f);

    if (ok)
        w->is_own = false;
    else
        identity_free(id);
    return ok;
}

static bool make_self_signed(const struct config *c, const struct pair *p, struct fault *f)
{
    struct identity *id =
        identity_self_signed(c->domain != NULL ? c->domain : "localhost", SELFSIGNED_DAYS, f);
    bool ok = id != NULL && identity_save(id, p->chain, p->key, f);

    identity_free(id);
    return ok;
}

/* again: it is read again without having changed. Then the same reason is no news. */
static void refuse(struct certificate_watch *w, bool again, const struct fault *f)
{
    w->again_ms = clock_mono_ms() + AGAIN_MS;
    if (again && strcmp(w->status.problem, f->text) == 0)
        return;
    w->status.refused++;
    memcpy(w->status.problem, f->text, sizeof w->status.problem);
    log_error("new certificate refused, the old one stays: %s", f->text);
}

/* Reads the pair once it has stood still for one look: files are often replaced one by one. */
static void look(struct certificate_watch *w, bool force)
{
    struct signature now = look_at(&w->pair);
    bool still = same(&now, &w->seen), changed = !same(&now, &w->loaded);
    bool missing = now.ino[0] == 0 && now.ino[1] == 0;
    struct fault f;

    w->seen = now;
    if (missing && w->status.state == CERTIFICATE_TEMPORARY) {
        if (force && !load_temporary(w, &f)) /* the domain may be another one now */
            refuse(w, false, &f);
        return;
    }
    /* What has kept a pair from being read may pass: a disk, too many open files. */
    bool again = !changed && !force && w->again_ms != 0 && clock_mono_ms() >= w->again_ms;
    if (!force && !(changed && still) && !again)
        return;
    w->loaded = now;
    if (!load_pair(w, &f))
        refuse(w, again, &f);
}

/* The meta certificate ends before the daemon does. The files need not be there for that. */
static void renew_meta(struct certificate_watch *w)
{
    struct fault f;
    bool ok = w->status.state == CERTIFICATE_TEMPORARY
                  ? load_temporary(w, &f)
                  : present(w, w->identity, w->status.state, &f);

    if (ok)
        return;
    w->meta_due = clock_wall() + META_RETRY_S;
    log_error("the meta certificate cannot be renewed: %s", f.text);
}

/* By the wall clock, which may jump in both directions. */
static void look_at_next(struct certificate_watch *w)
{
    time_t now = clock_wall();

    if (w->config->source != CONFIG_SOURCE_SELF_SIGNED || !w->is_own) {
        w->status.next = (struct successor){0};
        return;
    }
    if (now < w->next_look && now > w->next_look - 2 * (time_t)NEXT_LOOK_S)
        return;
    w->next_look = now + NEXT_LOOK_S;
    if (successor_look(w->config, w->identity, now, &w->status.next))
        look(w, true);
}

static void on_look(void *arg)
{
    struct certificate_watch *w = arg;

    look(w, false);
    look_at_next(w);
    if (clock_wall() >= w->meta_due)
        renew_meta(w);
    judge(w);
    loop_timer_set(&w->look, LOOK_MS);
}

/* Its own certificate is made for its name: under another name there is a new one. */
static bool fits_no_more(const struct certificate_watch *w)
{
    const char *name = w->config->domain;
    struct identity *id = w->config->source == CONFIG_SOURCE_SELF_SIGNED && name != NULL
                              ? identity_load(w->pair.chain, w->pair.key, NULL, NULL)
                              : NULL;
    bool other = id != NULL && !identity_covers(id, name);

    identity_free(id);
    if (other)
        log_warning("the self-signed certificate is not for %s: making a new one, with another "
                    "fingerprint",
                    name);
    return other;
}

/* Makes the one of its own, if that is what is wanted and there is none that fits. */
static bool make_what_is_missing(struct certificate_watch *w, struct fault *f)
{
    return w->config->source != CONFIG_SOURCE_SELF_SIGNED ||
           (file_exists(w->pair.chain) && !fits_no_more(w)) ||
           make_self_signed(w->config, &w->pair, f);
}

static bool first_load(struct certificate_watch *w, struct fault *f)
{
    w->seen = w->loaded = look_at(&w->pair);
    if (!make_what_is_missing(w, f))
        return false;
    if (load_pair(w, f))
        return true;
    if (w->config->source != CONFIG_SOURCE_ACME)
        return false;
    /* derp-acme will bring one; until then the port must answer its challenges. */
    if (file_exists(w->pair.chain))
        refuse(w, false, f);
    else
        log_info("no certificate in %s yet: serving a temporary one, STUN stays silent",
                 w->config->cert_dir);
    return load_temporary(w, f);
}

struct certificate_watch *certificate_watch_new(const struct config *config, struct relay *relay,
                                                const struct node_key *server_key,
                                                struct loop *loop, struct fault *f)
{
    struct certificate_watch *w = mem_alloc(1, sizeof *w);

    w->config = config;
    w->relay = relay;
    w->server_key = *server_key;
    w->pair = pair_of(config);
    loop_timer_init(&w->look, loop, on_look, w);
    if (!first_load(w, f)) {
        certificate_watch_free(w);
        return NULL;
    }
    look_at_next(w);
    loop_timer_set(&w->look, LOOK_MS);
    return w;
}

void certificate_watch_reload(struct certificate_watch *w)
{
    w->next_look = 0;
    look(w, true);
}

void certificate_watch_config(struct certificate_watch *w, const struct config *config)
{
    struct fault f;

    w->config = config;
    pair_free(&w->pair);
    w->pair = pair_of(config);
    if (!make_what_is_missing(w, &f))
        log_error("a certificate of its own cannot be made: %s", f.text);
    look(w, true);
}

void certificate_watch_status(const struct certificate_watch *w, struct certificate_status *s)
{
    *s = w->status;
}

void certificate_watch_free(struct certificate_watch *w)
{
    if (w == NULL)
        return;
    loop_timer_stop(&w->look);
    identity_free(w->identity);
    pair_free(&w->pair);
    free(w);
}

bool certificate_check(const struct config *config, struct fault *f)
{
    struct pair p = pair_of(config);
    struct identity *id = NULL;
    bool ok = true;

    /* Other sources make what is missing, or no longer fits the domain. */
    if (config->source == CONFIG_SOURCE_FILES) {
        id = identity_load(p.chain, p.key, config->domain, f);
        ok = id != NULL;
    }
    identity_free(id);
    pair_free(&p);
    return ok;
}
