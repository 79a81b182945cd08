/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/bundle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/run.h"
#include "installer/certificate.h"
#include "installer/paths.h"
#include "installer/scrub.h"
#include "installer/stop.h"

#define REPORT_MAX  (2 * 1024 * 1024)
#define SECTION_MAX (128 * 1024)
#define COMMAND_MS  5000
#define LOG_TAIL    (32 * 1024)

struct command {
    const char *const argv[16];
};

static const struct command commands[] = {
    {{"uname", "-srm"}},
    {{"cat", "/etc/os-release"}},
    {{"uptime"}},
    {{"systemctl", "show", "-p",
      "Id,ActiveState,SubState,Result,UnitFileState,NRestarts,MainPID,"
      "ExecMainStatus,ActiveEnterTimestamp,NextElapseUSecRealtime,"
      "MemoryCurrent,LimitNOFILE",
      "derpd.service", "derp-acme.service", "derp-acme.timer", "derp-fw-rollback.timer",
      "ufw.service"}},
    {{"systemctl", "cat", "derpd.service", "derp-acme.service"}},
    {{"curl", "-s", "--max-time", "3", "http://127.0.0.1:3340/status"}},
    {{CERTIFICATE_AS_ACME, "derp-acme", "--json", "status"}},
    {{"ss", "-Hlntu"}},
    {{"ip", "-brief", "address"}},
    {{"ip", "route"}},
    {{"ufw", "status", "verbose"}},
    {{"nft", "--stateless", "list", "ruleset"}},
    {{"sysctl", "net.core.somaxconn", "net.core.rmem_max", "net.core.wmem_max",
      "net.core.netdev_max_backlog", "net.ipv4.tcp_congestion_control", "net.ipv4.ip_forward",
      "net.netfilter.nf_conntrack_count", "net.netfilter.nf_conntrack_max"}},
    {{"timedatectl"}},
    {{"df", "-h", "/var/lib", "/etc"}},
    {{"free", "-m"}},
    {{"journalctl", "--no-pager", "-o", "short-iso", "-n", "200", "-u", "derpd.service"}},
    {{"journalctl", "--no-pager", "-o", "short-iso", "-n", "200", "-u", "derp-acme.service"}},
    {{"journalctl", "--no-pager", "-o", "short-iso", "-n", "50", "-u", "derp-fw-rollback.service"}},
};

/* Shortens what there is no room for: the end of it is what matters. */
static const char *tail(const char *text, size_t most)
{
    size_t n = strlen(text);
    return n > most ? text + n - most : text;
}

static void add_text(struct buf *report, const char *title, const char *text)
{
    buf_printf(report, "\n==== %s\n", title);
    if (!scrub(tail(text, SECTION_MAX), report))
        buf_puts(report, "\n(there was no room for the rest)\n");
}

static void add_command(struct buf *report, const struct command *one)
{
    struct run_options opt = {
        .timeout_ms = COMMAND_MS, .max_output = SECTION_MAX, .stop = stop_flag()};
    struct run_result r;
    struct fault f;
    struct buf title;
    char how[256];
    buf_init(&title, 1024);
    for (size_t i = 0; one->argv[i]; i++)
        buf_printf(&title, "%s%s", i ? " " : "", one->argv[i]);
    if (!run(one->argv, &opt, &r, &f)) {
        add_text(report, buf_text(&title), f.text);
    } else {
        add_text(report, buf_text(&title), buf_text(&r.out));
        if (!run_ok(&r)) {
            run_explain(&r, how, sizeof how);
            scrub(how, report);
            buf_puts(report, "\n");
        }
    }
    run_free(&r);
    buf_free(&title);
}

static void add_findings(struct buf *report, const struct findings *all)
{
    char *text = NULL;
    size_t n;
    FILE *memory = open_memstream(&text, &n);
    if (!memory)
        return;
    for (size_t i = 0; i < all->count; i++)
        finding_print(&all->list[i], memory);
    fclose(memory);
    add_text(report, "derp-setup doctor", text);
    free(text);
}

static void add_file(struct buf *report, const char *path)
{
    struct buf text;
    struct fault f;
    buf_init(&text, 16 * 1024 * 1024);
    bool fine = file_read(path, &text, &f);
    add_text(report, path, fine ? tail(buf_text(&text), LOG_TAIL) : f.text);
    buf_wipe(&text);
}

static void collect(struct setup *s, struct buf *report)
{
    char now[CLOCK_TEXT], built[CLOCK_TEXT];
    buf_printf(report,
               "derp-relay %s, built %s; this report %s\n"
               "Keys, tokens and mail addresses were taken out. The names and addresses of this "
               "server, and of\nclients in the logs, were not: read it before you show it.\n",
               DERP_RELAY_VERSION, clock_print(clock_build(), built),
               clock_print(clock_wall(), now));
    add_findings(report, &s->report.findings);
    buf_puts(report, "\n==== " CONFIG_PATH "\n");
    scrub_config(s->old_text, report);
    for (size_t i = 0; i < sizeof commands / sizeof *commands && !stop_wanted(); i++) {
        report_progress(&s->report, commands[i].argv[0]);
        add_command(report, &commands[i]);
    }
    add_file(report, PATH_LOG);
}

enum setup_exit bundle_admit(struct setup *s)
{
    const char *path = s->opt->report;
    if (!path || !file_exists(path))
        return EXIT_DONE;
    report_found(&s->report, SEVERITY_FAIL, "report.exists", "give a new name, or move it away",
                 "%s is there already, and nothing is written over it", path);
    return EXIT_USAGE;
}

void bundle_write(struct setup *s)
{
    const char *path = s->opt->report;
    struct buf report;
    struct fault f;
    bool existed = false;
    buf_init(&report, REPORT_MAX);
    report_begin(&s->report, "report", "collecting what somebody who helps would ask for");
    collect(s, &report);
    report_end(&s->report);
    if (stop_wanted())
        ;
    else if (!file_create(path, buf_text(&report), report.len, 0600, &existed, &f))
        report_found(&s->report, SEVERITY_FAIL, "report.failed",
                     "does its folder exist, and is there room?", "%s", f.text);
    else if (existed)
        bundle_admit(s);
    else
        report_found(&s->report, SEVERITY_OK, "report.written", NULL,
                     "%s (%zu KiB); read it before you show it to anybody", path,
                     report.len / 1024);
    buf_wipe(&report);
}
