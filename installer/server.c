/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/server.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/run.h"
#include "base/text.h"
#include "base/translate.h"
#include "installer/stop.h"

#define MIB            (1024.0 * 1024)
#define MEMORY_LOW_MIB 256 /* ours takes 30; a server below this is short of everything */
#define DISK_LOW_MIB   200
#define OLD_SECONDS    (180 * 86400)
#define PROGRAMS       2  /* of what the package has, first */
#define DISK_NONE_MIB  30 /* room for ufw, keys, certificates, logs */

void server_os_name(const char *os_release, char *name, size_t cap)
{
    const char *key = "PRETTY_NAME=";
    snprintf(name, cap, "Linux");
    for (const char *line = os_release; *line; line += *line != '\0') {
        size_t n = strcspn(line, "\n");
        if (text_starts(line, key) && n < 200) {
            char value[256];
            size_t quote = line[strlen(key)] == '"';
            snprintf(value, sizeof value, "%.*s", (int)(n - strlen(key) - quote),
                     line + strlen(key) + quote);
            value[strcspn(value, "\"")] = '\0';
            text_printable(value, strlen(value), name, cap);
        }
        line += n;
    }
}

static void read_os_name(char *name, size_t cap)
{
    struct buf text;
    buf_init(&text, 16384);
    file_read("/etc/os-release", &text, NULL);
    server_os_name(buf_text(&text), name, cap);
    buf_free(&text);
}

/* "systemd 255 (255.4-1ubuntu8)": its first number; 0 when it cannot be asked. */
static unsigned systemd_version(void)
{
    const char *const argv[] = {"systemctl", "--version", NULL};
    struct run_options opt = {.timeout_ms = 10000, .stop = stop_flag()};
    struct run_result r;
    unsigned version = 0;
    if (run(argv, &opt, &r, NULL) && run_ok(&r) && text_starts(buf_text(&r.out), "systemd "))
        version = (unsigned)strtoul(buf_text(&r.out) + 8, NULL, 10);
    run_free(&r);
    return version;
}

static double free_mib(const char *path)
{
    struct statvfs st;
    if (statvfs(path, &st) != 0)
        return -1;
    return (double)st.f_bavail * (double)st.f_frsize / MIB;
}

bool server_judge_disk(const char *folder, double free, struct findings *all)
{
    if (free < 0 || free >= DISK_LOW_MIB)
        return true;
    bool none = free < DISK_NONE_MIB;
    size_t at = finding_add(all, none ? SEVERITY_FAIL : SEVERITY_WARN, "server.disk",
                            "only %.0f MiB are free on the disk of %s", free, folder);
    finding_fix(all, at, "make room: `apt-get clean; journalctl --vacuum-size=50M`");
    return false;
}

void server_judge_memory(double mib, struct findings *all)
{
    if (mib >= MEMORY_LOW_MIB)
        return;
    size_t at =
        finding_add(all, SEVERITY_WARN, "server.memory", "%.0f MiB of memory are little", mib);
    finding_fix(all, at, "watch `derp-setup status`, or choose a server with 512 MiB or more");
}

/* As after an error of the disk, when the kernel writes no more to it. */
static bool is_writable(const char *folder, struct findings *all)
{
    if (access(folder, W_OK) == 0)
        return true;
    size_t at = finding_add(all, SEVERITY_FAIL, "server.readonly", "%s cannot be written: %s",
                            folder, strerror(errno));
    finding_fix(all, at, "`mount -o remount,rw /`; if that fails, `dmesg` tells why");
    return false;
}

static void check_disk(struct findings *all)
{
    if (!is_writable("/var/lib", all) || !is_writable("/etc", all))
        return;
    /* Mostly it is one and the same disk. */
    if (server_judge_disk("/var/lib", free_mib("/var/lib"), all))
        server_judge_disk("/etc", free_mib("/etc"), all);
}

static void check_machine(struct findings *all)
{
    struct sysinfo info = {0};
    struct utsname uts = {0};
    char os[128];
    sysinfo(&info);
    uname(&uts);
    read_os_name(os, sizeof os);
    double memory = (double)info.totalram * info.mem_unit / MIB;
    if (!file_exists("/run/systemd/system")) {
        size_t at = finding_add(all, SEVERITY_FAIL, "server.systemd",
                                "this server was not booted with systemd, which starts and "
                                "watches the relay");
        finding_fix(all, at,
                    "use a server with Ubuntu 24.04 or Debian 12 or later, not a bare "
                    "container");
        return;
    }
    check_disk(all);
    server_judge_memory(memory, all);
    finding_add(all, SEVERITY_OK, "server.ok", "%s, %s, systemd %u, %.1f GiB memory, %.1f GiB free",
                os, uts.machine, systemd_version(), memory / 1024, free_mib("/var/lib") / 1024);
}

static void check_package(struct findings *all)
{
    static const char *const files[] = {
        "/usr/sbin/derpd",
        "/usr/sbin/derp-acme",
        "/usr/lib/systemd/system/derpd.service",
        "/usr/lib/systemd/system/derp-acme.service",
        "/usr/lib/systemd/system/derp-acme.timer",
        "/usr/lib/systemd/system/derp-fw-guard.service",
    };
    static const char *const users[] = {"_derp", "_derp-acme"};
    const char *missing = NULL;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (access(files[i], i < PROGRAMS ? X_OK : F_OK) != 0)
            missing = files[i];
    for (size_t i = 0; i < 2; i++)
        if (!getpwnam(users[i]))
            missing = i ? N_("the user _derp-acme") : N_("the user _derp");
    if (!missing)
        return;
    size_t at =
        finding_add(all, SEVERITY_FAIL, "package.incomplete",
                    "%s is missing, so the package is not installed, or not wholly", missing);
    finding_fix(all, at, "apt install --reinstall ./derp-relay_*.deb");
}

void server_judge_clock(time_t now, time_t built, bool synchronised, struct findings *all)
{
    char says[CLOCK_TEXT], then[CLOCK_TEXT];
    size_t at;
    clock_print(now, says);
    if (now < built) {
        at = finding_add(all, SEVERITY_FAIL, "clock.wrong",
                         "the clock says %s, before this program was built (%s)", says,
                         clock_print(built, then));
        finding_fix(all, at, "timedatectl set-ntp true, or set it: date -s '…'");
    } else if (!synchronised) {
        at = finding_add(all, SEVERITY_WARN, "clock.unsynchronised",
                         "nothing keeps the clock (%s) right; certificates depend on it", says);
        finding_fix(all, at, "timedatectl set-ntp true (it needs systemd-timesyncd or chrony)");
    } else {
        finding_add(all, SEVERITY_OK, "clock.ok", "%s, synchronised", says);
    }
}

static void check_clock(struct findings *all)
{
    struct timex timex = {.modes = 0};
    bool synchronised = adjtimex(&timex) >= 0 && !(timex.status & STA_UNSYNC);
    server_judge_clock(clock_wall(), clock_build(), synchronised, all);
}

void server_judge_age(time_t built, time_t now, struct findings *all)
{
    char when[CLOCK_TEXT];
    if (built == 0 || now - built < OLD_SECONDS)
        return;
    clock_print(built, when);
    when[strlen("2026-11-23")] = '\0';
    size_t at = finding_add(all, SEVERITY_WARN, "package.old",
                            "derp-relay %s was built %lld days ago (%s); no upgrade of the "
                            "distribution brings a new one",
                            DERP_RELAY_VERSION, (long long)(now - built) / 86400, when);
    finding_fix(all, at,
                "look for a newer derp-relay_*.deb and `apt install` it; connections drop "
                "once, for a second");
}

void server_check(struct findings *all)
{
    check_machine(all);
    check_package(all);
    check_clock(all);
}
