/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/relaystatus.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "installer/stop.h"
#include "installer/transport.h"

#define STATUS_MS 3000

static void copy(const char *from, char *to, size_t cap)
{
    text_printable(from, strlen(from), to, cap);
}

bool relaystatus_parse(const char *text, struct relaystatus *status, struct fault *f)
{
    json_error_t e;
    json_int_t uptime, open, clients, sent, bytes = 0, disco = 0, dropped, stun;
    const char *version, *state, *problem;
    memset(status, 0, sizeof *status);
    json_t *root = json_loads(text, 0, &e);
    if (!root)
        return fault_set(f, "not JSON (line %d: %s)", e.line, e.text);
    bool fine =
        json_unpack_ex(root, &e, 0,
                       "{s:s, s:I, s:{s:s, s:s}, s:{s:I, s:I}, s:{s:{s:I}, s:{s:I, s?I, s:I}}, "
                       "s:{s:I}}",
                       "version", &version, "uptimeSeconds", &uptime, "certificate", "state",
                       &state, "problem", &problem, "connections", "open", &open, "loggedIn",
                       &clients, "packets", "disco", "sent", &disco, "other", "sent", &sent,
                       "sentBytes", &bytes, "dropped", &dropped, "stun", "answered", &stun) == 0;
    if (fine) {
        copy(version, status->version, sizeof status->version);
        copy(state, status->certificate, sizeof status->certificate);
        copy(problem, status->problem, sizeof status->problem);
        status->uptime = uptime;
        status->open = open;
        status->clients = clients;
        status->relayed = sent + disco;
        status->bytes = bytes;
        status->dropped = dropped;
        status->stun = stun;
    } else {
        fault_set(f, "%s", e.text);
    }
    json_decref(root);
    return fine;
}

bool relaystatus_read(const struct config *c, struct relaystatus *status, struct fault *f)
{
    struct transport_answer answer;
    struct fault why;
    char at[ENDPOINT_TEXT], url[ENDPOINT_TEXT + 32];
    if (c->metrics.count == 0)
        return fault_set(f, "its status page is off (metrics in %s)", CONFIG_PATH);
    snprintf(url, sizeof url, "http://%s/status", endpoint_print(&c->metrics.list[0], at));
    bool fine =
        transport_get(url, NULL, STATUS_MS, stop_flag(), &answer, &why) == TRANSPORT_ANSWERED;
    if (!fine)
        fault_set(f, "%s does not answer: %s", url, why.text);
    else if (answer.status != 200)
        fine = fault_set(f, "%s answers HTTP %ld", url, answer.status);
    else if (!relaystatus_parse(buf_text(&answer.body), status, &why))
        fine = fault_set(f, "%s: %s", url, why.text);
    transport_answer_free(&answer);
    return fine;
}

char *relaystatus_json(const struct relaystatus *status, long days_left)
{
    const struct relaystatus *r = status;
    json_t *root = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:{s:s, s:I}}", "version",
                             r->version, "uptimeSeconds", (json_int_t)r->uptime, "connections",
                             (json_int_t)r->open, "loggedIn", (json_int_t)r->clients, "packets",
                             (json_int_t)r->relayed, "bytes", (json_int_t)r->bytes, "drops",
                             (json_int_t)r->dropped, "stun", (json_int_t)r->stun, "certificate",
                             "state", r->certificate, "daysLeft", (json_int_t)days_left);
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    return text;
}
