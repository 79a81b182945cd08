/* SPDX-License-Identifier: Apache-2.0 */
/* derp-acme: gets the relay's certificate from a CA and keeps it fresh. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "acme/job.h"
#include "acme/privilege.h"
#include "acme/status.h"
#include "base/config.h"
#include "base/file.h"
#include "base/log.h"

struct options {
    const char *config;
    bool json;
    bool verbose;
};

static int verb_run(const struct config *config, const struct options *o)
{
    (void)o;
    return job(config, JOB_RUN);
}

static int verb_issue(const struct config *config, const struct options *o)
{
    (void)o;
    return job(config, JOB_ISSUE);
}

static int verb_renew(const struct config *config, const struct options *o)
{
    (void)o;
    return job(config, JOB_RENEW);
}

static int verb_revoke(const struct config *config, const struct options *o)
{
    (void)o;
    return job(config, JOB_REVOKE);
}

static int verb_rollover(const struct config *config, const struct options *o)
{
    (void)o;
    return job(config, JOB_ROLLOVER);
}

static int verb_caa(const struct config *config, const struct options *o)
{
    return job(config, o->json ? JOB_CAA_JSON : JOB_CAA);
}

static int verb_status(const struct config *config, const struct options *o)
{
    struct status st;
    struct fault why;
    if (!status_gather(config, &st, &why)) {
        log_error("%s", why.text);
        return JOB_FAILED;
    }
    if (o->json) {
        char *text = status_json(&st);
        puts(text);
        free(text);
    } else {
        status_print(&st, stdout);
    }
    int code = st.good ? JOB_CHANGED : JOB_FAILED;
    status_free(&st);
    return code;
}

/* The first line of help, the parser and the dispatcher in one. */
static const struct {
    const char *name;
    int (*run)(const struct config *config, const struct options *o);
    const char *help;
} verbs[] = {
    {"run", verb_run,
     "do what is due; what the timer calls, keeps to the next try after a failure"},
    {"issue", verb_issue, "the same at once; nothing while the certificate is good"},
    {"renew", verb_renew, "order a new certificate now, whatever the old one is good for"},
    {"status", verb_status, "show certificate, next step and last problem; 1: no good certificate"},
    {"revoke", verb_revoke, "revoke the certificate in use; the next run orders another"},
    {"rollover", verb_rollover, "give the account at each configured CA another key"},
    {"caa", verb_caa, "print the CAA records that allow only our account to issue"},
};
#define VERBS (sizeof verbs / sizeof *verbs)

static void help(FILE *out)
{
    fputs("usage: derp-acme [--config FILE] VERB\n\n", out);
    for (size_t i = 0; i < VERBS; i++)
        fprintf(out, "  %-8s %s\n", verbs[i].name, verbs[i].help);
    fputs("\n  -c, --config FILE  read FILE instead of " CONFIG_PATH "\n"
          "  -j, --json         status or caa as one JSON object\n"
          "  -v, --verbose      show each request\n"
          "  -V, --version      print the version\n"
          "  -h, --help         print this\n\n"
          "Exit status: 0 something changed, 1 it failed, 2 there was nothing to do.\n",
          out);
}

static int usage_error(const char *what, const char *which)
{
    fprintf(stderr, "derp-acme: %s%s; see derp-acme --help\n", what, which);
    return JOB_FAILED;
}

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'},
    {"verbose", no_argument, NULL, 'v'},      {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
};

/* True to go on; otherwise *code is the exit code. */
static bool parse(int argc, char **argv, struct options *o, int *code)
{
    int c;
    *o = (struct options){.config = CONFIG_PATH};
    *code = 0;
    while ((c = getopt_long(argc, argv, "c:jvVh", long_options, NULL)) != -1) {
        switch (c) {
        case 'c':
            o->config = optarg;
            break;
        case 'j':
            o->json = true;
            break;
        case 'v':
            o->verbose = true;
            break;
        case 'V':
            puts("derp-acme " DERP_RELAY_VERSION);
            return false;
        case 'h':
            help(stdout);
            return false;
        default:
            *code = usage_error("bad option", "");
            return false;
        }
    }
    return true;
}

/* What does not depend on the verb: the config, whether there is anything to do with a CA. */
static int dispatch(size_t verb, const struct options *o)
{
    struct config config;
    struct fault why;
    int code = JOB_FAILED;
    config_init(&config);
    if (!config_load(o->config, &config, &why)) {
        log_error("%s", why.text);
    } else if (config.source != CONFIG_SOURCE_ACME) {
        log_notice("nothing to do: source in [certificate] is not acme");
        code = JOB_NOTHING;
    } else if (!privilege_match(config.cert_dir, &why)) {
        log_error("%s", why.text);
    } else {
        code = verbs[verb].run(&config, o);
    }
    config_free(&config);
    return code;
}

int main(int argc, char **argv)
{
    struct options o;
    int code;
    size_t verb = 0;
    file_guard_standard_streams();
    umask(0027);
    signal(SIGPIPE, SIG_IGN);
    if (!parse(argc, argv, &o, &code))
        return code;
    if (optind + 1 != argc)
        return optind == argc ? usage_error("a verb is missing", "")
                              : usage_error("one verb only, found also ", argv[optind + 1]);
    while (verb < VERBS && strcmp(argv[optind], verbs[verb].name) != 0)
        verb++;
    if (verb == VERBS)
        return usage_error("no such verb: ", argv[optind]);
    if (o.json && verbs[verb].run != verb_status && verbs[verb].run != verb_caa)
        return usage_error("--json is for status and caa", "");
    log_open("derp-acme", o.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    return dispatch(verb, &o);
}
