/* SPDX-License-Identifier: Apache-2.0 */
/* derpd: a DERP relay and STUN server. This file is its table of contents: options, the order in
 * which things start, and the reverse order in which they stop. */
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "derp/net/listener.h"
#include "derp/net/loop.h"
#include "derp/ops/admin.h"
#include "derp/ops/certificate.h"
#include "derp/ops/keyfile.h"
#include "derp/ops/memory.h"
#include "derp/ops/notify.h"
#include "derp/ops/who.h"
#include "derp/relay/admission.h"
#include "derp/relay/relay.h"
#include "derp/relay/site.h"

#define DRAIN_MS        3000
#define OWN_DESCRIPTORS 192 /* listeners, loops, files, admission: not for connections */

struct daemon {
    const char *config_path;
    struct config *config;
    struct keypair server_key;
    struct loop *loop;
    struct relay *relay;
    unsigned workers;
    struct certificate_watch *certificate;
    struct listener *listeners[3 * CONFIG_MAX_LISTEN];
    size_t listener_count;
    size_t derp_listeners; /* the first so many are for DERP */
    struct admin *admin;
    struct loop_signal term, interrupt, hangup;
    struct loop_wake drained;
    bool stopping;
    time_t started;
    uint64_t reloads_ok;
    uint64_t reloads_failed;
};

struct options {
    const char *config_path;
    int check, who, json; /* booleans, for getopt_long */
};

static const char usage[] =
    "usage: derpd [--config FILE] [--check | --who [--json]]\n"
    "       derpd --version | --help\n"
    "\n"
    "  -c, --config FILE  read FILE instead of " CONFIG_PATH "\n"
    "      --check        test the config and what it names, then exit\n"
    "      --who          list the clients of the running relay, then exit\n"
    "      --json         the same as JSON\n"
    "  -v, --verbose      log each connection\n"
    "  -V, --version      print the version\n"
    "  -h, --help         print this\n"
    "\n"
    "Runs in the foreground. SIGHUP reloads, SIGTERM drains and ends. See "
    "derpd(8), derp.conf(5).\n"
    "Exit status: 0 ended when told to, or all is good, 1 it cannot run, or not good,\n"
    "2 wrong command line.\n";

static bool options_go_together(const struct options *o, int argc, char **argv)
{
    const char *why = NULL;

    if (o->check && o->who)
        why = "--check and --who do not go together";
    else if (o->json && !o->who)
        why = "--json belongs to --who";
    if (optind < argc)
        fprintf(stderr, "derpd: unexpected argument \"%s\"\n%s", argv[optind], usage);
    else if (why != NULL)
        fprintf(stderr, "derpd: %s\n%s", why, usage);
    return optind == argc && why == NULL;
}

/* Returns -1 to go on, an exit code otherwise. */
static int parse_options(int argc, char **argv, struct options *o)
{
    const struct option longs[] = {
        {"config", required_argument, NULL, 'c'}, {"check", no_argument, &o->check, 1},
        {"who", no_argument, &o->who, 1},         {"json", no_argument, &o->json, 1},
        {"verbose", no_argument, NULL, 'v'},      {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    enum log_level level = LOG_LEVEL_INFO;
    int c;

    *o = (struct options){.config_path = CONFIG_PATH};
    while ((c = getopt_long(argc, argv, "c:vVh", longs, NULL)) != -1) {
        switch (c) {
        case 0: /* --check, --who, --json */
            break;
        case 'c':
            o->config_path = optarg;
            break;
        case 'v':
            level = LOG_LEVEL_DEBUG;
            break;
        case 'V':
            puts("derpd " DERP_RELAY_VERSION);
            return 0;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            fputs(usage, stderr);
            return 2;
        }
    }
    if (!options_go_together(o, argc, argv))
        return 2;
    log_open("derpd", level);
    return -1;
}

static bool load_config(const char *path, struct config *c, struct fault *f)
{
    config_init(c);
    return config_load(path, c, f);
}

static int check(const char *path)
{
    struct config c;
    struct fault f;
    struct site_home *home = NULL;
    bool ok = load_config(path, &c, &f) && certificate_check(&c, &f) && admission_check(&c, &f) &&
              mesh_check(&c, &f) && (home = site_home_load(c.home, &f)) != NULL;

    if (ok)
        printf("%s: ok\n", path);
    else
        fprintf(stderr, "derpd: %s\n", f.text);
    site_home_free(home);
    config_free(&c);
    return ok ? 0 : 1;
}

static int who(const struct options *o)
{
    struct config c;
    struct fault f;
    bool ok = load_config(o->config_path, &c, &f) && who_print(&c, o->json, stdout, &f);

    if (!ok)
        fprintf(stderr, "derpd: %s\n", f.text);
    config_free(&c);
    return ok ? 0 : 1;
}

/* --- Start ---------------------------------------------------------------------------------- */

static unsigned worker_count(const struct config *c)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (c->uplink > 0) { /* one sees all that is sent; such lines are no work for two */
        if (c->workers > 1)
            log_notice("uplink is set: one worker instead of %u", c->workers);
        return 1;
    }
    if (c->workers > 0)
        return c->workers;
    return cores < 1 ? 1 : cores > 64 ? 64 : (unsigned)cores;
}

/* As many descriptors as we may have; what is left after our own is for connections. */
static size_t max_connections(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 960;
    if (limit.rlim_cur < limit.rlim_max) {
        rlim_t had = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            limit.rlim_cur = had;
    }
    return limit.rlim_cur > 2 * OWN_DESCRIPTORS ? limit.rlim_cur - OWN_DESCRIPTORS
                                                : limit.rlim_cur / 2;
}

static bool start_relay(struct daemon *d, struct fault *f)
{
    struct relay_options opt = {
        .workers = d->workers = worker_count(d->config),
        .server_key = d->server_key,
        .domain = d->config->domain,
        .loop = d->loop,
        .config = d->config,
        .stun = d->config->stun.list,
        .stun_count = d->config->stun.count,
        .max_connections = max_connections(),
    };
    char text[ENDPOINT_TEXT];

    d->relay = relay_new(&opt, f);
    keypair_wipe(&opt.server_key);
    if (d->relay == NULL)
        return false;
    for (size_t i = 0; i < opt.stun_count; i++)
        log_info("listening on %s/udp for STUN", endpoint_print(&opt.stun[i], text));
    return true;
}

static void accepted_tls(void *arg, int fd, const struct endpoint *peer)
{
    struct daemon *d = arg;

    relay_accept(d->relay, fd, peer, RELAY_PORT_TLS);
}

static void accepted_proxied(void *arg, int fd, const struct endpoint *peer)
{
    struct daemon *d = arg;

    relay_accept(d->relay, fd, peer, RELAY_PORT_PROXY);
}

static void accepted_http(void *arg, int fd, const struct endpoint *peer)
{
    struct daemon *d = arg;

    relay_accept(d->relay, fd, peer, RELAY_PORT_HTTP);
}

static bool listen_on(struct daemon *d, struct config_endpoints *e, const char *what,
                      void (*accepted)(void *arg, int fd, const struct endpoint *peer),
                      struct fault *f)
{
    char text[ENDPOINT_TEXT];

    for (size_t i = 0; i < e->count; i++) {
        struct listener *l = listener_open(&e->list[i], f);
        if (l == NULL)
            return false;
        d->listeners[d->listener_count++] = l;
        listener_start(l, d->loop, accepted, d);
        log_info("listening on %s/tcp for %s", endpoint_print(&e->list[i], text), what);
    }
    return true;
}

static void limit_accepts(struct daemon *d)
{
    const struct config *c = d->config;

    for (size_t i = 0; i < d->derp_listeners; i++)
        listener_limit(d->listeners[i], c->accept_limit,
                       c->accept_burst > 0 ? c->accept_burst : c->accept_limit);
}

/* The system's own is a better answer than no relay. */
static void set_congestion(struct daemon *d)
{
    const char *name = d->config->congestion;
    struct fault f, ignored;

    for (size_t i = 0; i < d->derp_listeners; i++) {
        if (listener_congestion(d->listeners[i], name, &f))
            continue;
        if (i == 0)
            log_warning("%s. The system's is used instead.", f.text);
        listener_congestion(d->listeners[i], NULL, &ignored);
    }
}

static void collect(void *arg, struct report *r)
{
    struct daemon *d = arg;

    r->domain = d->config->domain;
    r->server_key = d->server_key.public_key;
    r->now = clock_wall();
    r->started = d->started;
    r->workers = d->workers;
    r->reloads_ok = d->reloads_ok;
    r->reloads_failed = d->reloads_failed;
    for (size_t i = 0; i < d->listener_count; i++)
        r->accepts_refused += listener_refused(d->listeners[i]);
    certificate_watch_status(d->certificate, &r->certificate);
    relay_gauges(d->relay, &r->gauges);
    relay_counters(d->relay, r->counters);
    renewals_read(d->config, r->renewals);
    r->mesh_count = relay_mesh_status(d->relay, r->mesh, CONFIG_MAX_MESH);
}

static bool start_admin(struct daemon *d, struct fault *f)
{
    struct endpoint *at = &d->config->metrics.list[0];
    char text[ENDPOINT_TEXT];

    if (d->config->metrics.count == 0)
        return true;
    d->admin = admin_new(at, d->loop, d->relay, collect, d, f);
    if (d->admin != NULL)
        log_info("listening on %s/tcp for metrics", endpoint_print(at, text));
    return d->admin != NULL;
}

/* --- Signals -------------------------------------------------------------------------------- */

static void on_drained(void *arg)
{
    struct daemon *d = arg;

    loop_wake_send(&d->drained); /* comes from a worker's thread */
}

static void on_drained_here(void *arg)
{
    struct daemon *d = arg;

    loop_stop(d->loop);
}

static void close_listeners(struct daemon *d)
{
    d->derp_listeners = 0;
    while (d->listener_count > 0)
        listener_close(d->listeners[--d->listener_count]);
}

static void on_stop(void *arg)
{
    struct daemon *d = arg;

    if (d->stopping) { /* asked twice: at once */
        loop_stop(d->loop);
        return;
    }
    d->stopping = true;
    log_info("draining: clients are told to come back");
    notify_stopping();
    close_listeners(d);
    relay_drain(d->relay, DRAIN_MS, on_drained, d);
}

static bool same_endpoints(const struct config_endpoints *a, const struct config_endpoints *b)
{
    return a->count == b->count && memcmp(a->list, b->list, a->count * sizeof a->list[0]) == 0;
}

/* What cannot change while connections live is said, not silently ignored. */
static void warn_about_restart(const struct config *was, const struct config *now)
{
    if (!same_endpoints(&was->listen, &now->listen) ||
        !same_endpoints(&was->listen_proxy, &now->listen_proxy) ||
        !same_endpoints(&was->stun, &now->stun) || !same_endpoints(&was->http, &now->http) ||
        !same_endpoints(&was->metrics, &now->metrics) || was->workers != now->workers ||
        was->uplink != now->uplink || !text_same(was->domain, now->domain) ||
        strcmp(was->state_dir, now->state_dir) != 0)
        log_warning("domain, listen, listen-proxy, stun, http, metrics, workers, uplink and "
                    "state-dir change wholly with a restart only: systemctl restart derpd");
}

/* All or nothing: what is read from files is checked before the first change. */
static bool reconfigure(struct daemon *d, const struct config *fresh, struct fault *f)
{
    return mesh_check(fresh, f) && relay_set_admission(d->relay, fresh, f) &&
           relay_set_mesh(d->relay, fresh, f);
}

static void on_hangup(void *arg)
{
    struct daemon *d = arg;
    struct config *fresh = mem_alloc(1, sizeof *fresh);
    struct config *old = d->config;
    struct site_home *home = NULL;
    struct fault f;

    notify_reloading();
    if (load_config(d->config_path, fresh, &f) &&
        (home = site_home_load(fresh->home, &f)) != NULL && reconfigure(d, fresh, &f)) {
        warn_about_restart(old, fresh);
        relay_set_pages(d->relay, home, &fresh->bootstrap_dns);
        d->config = fresh;
        limit_accepts(d);
        set_congestion(d);
        certificate_watch_config(d->certificate, fresh);
        relay_set_proxies(d->relay, &fresh->proxy_from);
        fresh = old;
        d->reloads_ok++;
        log_info("config reloaded");
    } else {
        site_home_free(home);
        d->reloads_failed++;
        log_error("the new config is refused, the old one stays: %s", f.text);
        certificate_watch_reload(d->certificate);
    }
    config_free(fresh);
    free(fresh);
    notify_ready();
}

static void watch_signals(struct daemon *d)
{
    loop_signal_init(&d->term, d->loop, SIGTERM, on_stop, d);
    loop_signal_init(&d->interrupt, d->loop, SIGINT, on_stop, d);
    loop_signal_init(&d->hangup, d->loop, SIGHUP, on_hangup, d);
    loop_wake_init(&d->drained, d->loop, on_drained_here, d);
}

static bool is_alive(void *arg)
{
    struct daemon *d = arg;

    return relay_is_alive(d->relay);
}

static uint64_t ended_connections(void *arg)
{
    struct daemon *d = arg;
    uint64_t totals[COUNTERS];
    struct relay_gauges g;

    relay_gauges(d->relay, &g); /* first: more are accepted meanwhile */
    relay_counters(d->relay, totals);
    return totals[COUNTER_ACCEPTED] > g.connections ? totals[COUNTER_ACCEPTED] - g.connections : 0;
}

static bool start(struct daemon *d, struct fault *f)
{
    d->started = clock_wall();
    if (!keyfile_load(d->config->state_dir, &d->server_key, f))
        return false;
    d->loop = loop_new();
    watch_signals(d);
    if (!start_relay(d, f))
        return false;
    d->certificate =
        certificate_watch_new(d->config, d->relay, &d->server_key.public_key, d->loop, f);
    if (d->certificate == NULL)
        return false;
    if (!listen_on(d, &d->config->listen, "DERP", accepted_tls, f) ||
        !listen_on(d, &d->config->listen_proxy, "DERP from load balancers", accepted_proxied, f))
        return false;
    d->derp_listeners = d->listener_count;
    limit_accepts(d);
    set_congestion(d);
    if (!listen_on(d, &d->config->http, "HTTP", accepted_http, f) || !start_admin(d, f) ||
        !relay_set_mesh(d->relay, d->config, f)) /* last: it may find itself among the others */
        return false;
    notify_watchdog(d->loop, is_alive, d);
    memory_watch(d->loop, ended_connections, d);
    notify_ready();
    return true;
}

static void stop(struct daemon *d)
{
    notify_watchdog_stop();
    memory_watch_stop();
    admin_free(d->admin);
    close_listeners(d);
    certificate_watch_free(d->certificate);
    relay_free(d->relay);
    if (d->loop != NULL)
        loop_wake_stop(&d->drained);
    loop_free(d->loop);
    keypair_wipe(&d->server_key);
}

int main(int argc, char **argv)
{
    struct daemon d = {0};
    struct options o;
    struct fault f;
    int code;

    file_guard_standard_streams();
    code = parse_options(argc, argv, &o);
    if (code >= 0)
        return code;
    if (sodium_init() < 0) {
        log_error("libsodium cannot start: no random numbers");
        return 1;
    }
    if (o.check)
        return check(o.config_path);
    if (o.who)
        return who(&o);
    signal(SIGPIPE, SIG_IGN);
    memory_keep();
    d.config_path = o.config_path;
    d.config = mem_alloc(1, sizeof *d.config);
    if (!load_config(o.config_path, d.config, &f) || !start(&d, &f)) {
        log_error("%s", f.text);
        code = 1;
    } else {
        loop_run(d.loop);
        code = 0;
    }
    stop(&d);
    config_free(d.config);
    free(d.config);
    if (code == 0)
        log_info("stopped");
    return code;
}
