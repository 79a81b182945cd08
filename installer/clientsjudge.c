/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/clientsjudge.h"

#include <jansson.h>
#include <stdio.h>
#include <strings.h>

#include "base/translate.h"

/* What becomes of clients while a source gives no answer. */
static const char *consequence(const struct clientsjudge *j)
{
    return j->fail_open ? N_("everybody is admitted meanwhile (fail-open)")
                        : N_("nobody new can log in");
}

static enum severity severity(const struct clientsjudge *j)
{
    return j->fail_open ? SEVERITY_WARN : SEVERITY_FAIL;
}

bool clientsjudge_whois(const struct clientsjudge *j, struct findings *all)
{
    size_t at;
    if (j->status == 200 || j->status == 404) /* known, unknown: both are answers */
        return true;
    if (j->status == 0)
        at = finding_add(all, severity(j), "clients.tailscaled",
                         "tailscaled does not answer at %s: %s; %s", j->where, j->reason,
                         consequence(j));
    else
        at = finding_add(all, severity(j), "clients.tailscaled",
                         "tailscaled answers the question who is of its tailnet with HTTP %ld; %s",
                         j->status, consequence(j));
    finding_fix(all, at, "systemctl status tailscaled; tailscale status");
    return false;
}

/* As derpd reads it: an object, "Allow" in any case, absent means no. -1: not an answer. */
static int read_allow(const char *body)
{
    const char *name;
    json_t *value;
    json_t *root = json_loads(body, JSON_DISABLE_EOF_CHECK, NULL);
    int allow = json_is_object(root) ? 0 : -1;
    json_object_foreach(root, name, value)
    {
        if (strcasecmp(name, "Allow") != 0 || json_is_null(value))
            continue;
        allow = json_is_boolean(value) ? json_is_true(value) : -1;
        if (allow < 0)
            break;
    }
    json_decref(root);
    return allow;
}

bool clientsjudge_url(const struct clientsjudge *j, struct findings *all)
{
    int allow = j->status == 200 ? read_allow(j->body) : -1;
    size_t at;
    if (allow == 0)
        return true;
    if (allow > 0) {
        at =
            finding_add(all, SEVERITY_WARN, "clients.url.open",
                        "%s admits even a key that nobody has: anyone may use the relay", j->where);
        finding_fix(all, at, "should it? What it answers with is {\"Allow\": true} or false");
        return true;
    }
    if (j->status == 0)
        at = finding_add(all, severity(j), "clients.url", "%s does not answer: %s; %s", j->where,
                         j->reason, consequence(j));
    else if (j->status == 200)
        at = finding_add(all, severity(j), "clients.url",
                         "%s answers with something other than {\"Allow\": true} or false; %s",
                         j->where, consequence(j));
    else
        at = finding_add(all, severity(j), "clients.url", "%s answers HTTP %ld; %s", j->where,
                         j->status, consequence(j));
    finding_fix(all, at, "is the URL right (allow in [admission]), and does its server run?");
    return false;
}
