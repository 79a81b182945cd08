/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/ca.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "installer/certificate.h"
#include "installer/readable.h"
#include "installer/stop.h"
#include "installer/transport.h"

#define CA_TIMEOUT_MS 10000
#define CLOCK_OFF_MAX 300 /* seconds */

/* The files that derpd and derp-acme will want to read. */
static bool check_files(const struct config *c, struct findings *all)
{
    const char *const files[] = {c->acme_ca_file, c->fallback_ca_file, c->dns_root_hints,
                                 c->dns_trust_anchor};
    struct fault f;
    bool fine = true;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (!files[i] || readable_by_services(files[i], &f))
            continue;
        size_t at = finding_add(all, SEVERITY_FAIL, i < 2 ? "ca.file" : "dns.file", "%s", f.text);
        finding_fix(all, at, "install -m 0644 %s /etc/derp/ and name that copy", files[i]);
        fine = false;
    }
    return fine;
}

/* What derp-acme alone uses: the keys of account bindings, its programs. */
static void check_own_files(const struct config *c, struct findings *all)
{
    const char *const keys[] = {c->eab_key_file, c->fallback_eab_key_file};
    const char *const programs[] = {c->challenge == CONFIG_CHALLENGE_DNS_01 ? c->dns_hook : NULL,
                                    c->acme_hook};
    struct fault f;
    for (size_t i = 0; i < 2; i++) {
        if (keys[i] && !readable_by_user(keys[i], CERTIFICATE_USER, false, &f)) {
            size_t at = finding_add(all, SEVERITY_FAIL, "ca.key", "%s", f.text);
            finding_fix(all, at,
                        "install -m 0640 -g " CERTIFICATE_USER " %s /etc/derp/ and name that copy",
                        keys[i]);
        }
        if (programs[i] && !readable_by_user(programs[i], CERTIFICATE_USER, true, &f)) {
            size_t at = finding_add(all, SEVERITY_FAIL, "ca.hook", "%s", f.text);
            finding_fix(all, at, "install -m 0755 %s /etc/derp/ and name that copy", programs[i]);
        }
    }
}

/* The second CA is for later: whatever is wrong with it only warns. */
static void check_fallback(const struct config *c, struct findings *all)
{
    struct transport_answer answer;
    struct directory ca = {0};
    struct fault why;
    if (!c->fallback_directory)
        return;
    bool fine = transport_get(c->fallback_directory, c->fallback_ca_file, CA_TIMEOUT_MS,
                              stop_flag(), &answer, &why) == TRANSPORT_ANSWERED;
    if (fine && answer.status != 200)
        fine = fault_set(&why, "HTTP %ld", answer.status);
    fine = fine && directory_parse(buf_text(&answer.body), &ca, &why);
    if (fine) {
        finding_add(all, SEVERITY_OK, "ca.fallback", "%s, the second CA, answers",
                    c->fallback_directory);
    } else if (!stop_wanted()) {
        size_t at =
            finding_add(all, SEVERITY_WARN, "ca.fallback",
                        "the second CA, %s, is of no use now: %s", c->fallback_directory, why.text);
        finding_fix(all, at,
                    "is the URL right? --acme-fallback-directory=URL sets it, "
                    "--acme-fallback-ca-file=FILE the trust for a private CA");
    }
    transport_answer_free(&answer);
    ca_directory_free(&ca);
}

static void judge_clock(time_t theirs, struct findings *all)
{
    long long off = (long long)clock_wall() - (long long)theirs;
    char now[CLOCK_TEXT], there[CLOCK_TEXT];
    if (theirs == 0 || llabs(off) <= CLOCK_OFF_MAX)
        return;
    size_t at =
        finding_add(all, SEVERITY_FAIL, "clock.wrong", "this server's clock says %s, the CA's %s",
                    clock_print(clock_wall(), now), clock_print(theirs, there));
    finding_fix(all, at, "timedatectl set-ntp true (it needs systemd-timesyncd or chrony)");
}

static void judge_answer(const char *url, const struct transport_answer *answer,
                         struct directory *ca, struct findings *all)
{
    struct fault f = {.text = ""};
    bool busy = answer->status >= 500 || answer->status == 429;
    if (answer->status != 200) {
        size_t at = finding_add(all, busy ? SEVERITY_WARN : SEVERITY_FAIL,
                                busy ? "ca.busy" : "ca.directory", "%s answered HTTP %ld", url,
                                answer->status);
        finding_fix(all, at,
                    busy ? "nothing to do: the certificate is asked for again by itself"
                         : "is the URL right? --acme-directory=URL sets it");
        return;
    }
    if (!directory_parse(buf_text(&answer->body), ca, &f)) {
        size_t at = finding_add(all, SEVERITY_FAIL, "ca.directory",
                                "%s is not an ACME directory: %s", url, f.text);
        finding_fix(all, at, "is the URL right? --acme-directory=URL sets it");
        return;
    }
    finding_add(all, SEVERITY_OK, "ca.ok", "%s answers", url);
}

static void judge_failure(const char *url, enum transport_outcome outcome, const struct fault *why,
                          struct findings *all)
{
    size_t at;
    switch (outcome) {
    case TRANSPORT_UNTRUSTED:
        at = finding_add(all, SEVERITY_FAIL, "ca.untrusted", "%s is not trusted: %s", url,
                         why->text);
        finding_fix(all, at,
                    "for a private CA give --acme-ca-file=FILE; otherwise look at the "
                    "clock and at `apt install --reinstall ca-certificates`");
        break;
    case TRANSPORT_BAD_CA_FILE:
        at = finding_add(all, SEVERITY_FAIL, "ca.file", "%s", why->text);
        finding_fix(all, at, "give a PEM file with the CA's root: --acme-ca-file=FILE");
        break;
    case TRANSPORT_STOPPED:
        finding_add(all, SEVERITY_SKIP, "ca.skipped", "interrupted");
        break;
    default:
        at = finding_add(all, SEVERITY_WARN, "ca.unreachable", "%s cannot be reached: %s", url,
                         why->text);
        finding_fix(all, at,
                    "look with `curl -v %s`; setting up goes on without a certificate, "
                    "which is then asked for again by itself",
                    url);
    }
}

void ca_check(const struct config *c, struct directory *ca, struct findings *all)
{
    struct transport_answer answer;
    struct fault why;
    bool fine = check_files(c, all);
    ca_directory_free(ca);
    if (c->source != CONFIG_SOURCE_ACME) {
        finding_add(all, SEVERITY_SKIP, "ca.skipped",
                    "the certificate does not come from a CA by "
                    "ACME (source in %s)",
                    CONFIG_PATH);
        return;
    }
    if (fine) {
        enum transport_outcome outcome = transport_get(c->acme_directory, c->acme_ca_file,
                                                       CA_TIMEOUT_MS, stop_flag(), &answer, &why);
        if (outcome == TRANSPORT_ANSWERED)
            judge_answer(c->acme_directory, &answer, ca, all);
        else
            judge_failure(c->acme_directory, outcome, &why, all);
        judge_clock(answer.date, all);
        transport_answer_free(&answer);
    }
    check_own_files(c, all);
    if (fine)
        check_fallback(c, all);
    if (ca->count == 0)
        directory_guess(c->acme_directory, ca);
}
