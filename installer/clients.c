/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/clients.h"

#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/text.h"
#include "installer/clientsjudge.h"
#include "installer/desired.h"
#include "installer/readable.h"
#include "installer/stop.h"
#include "installer/transport.h"

#define ASK_MS    3000
#define KEY_BYTES 32

static bool is_socket(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

static bool check_source(const struct config_allow_source *source, struct findings *all)
{
    struct fault f;
    size_t at;
    if (source->kind == CONFIG_ALLOW_KEYS && !readable_by_services(source->where, &f)) {
        at = finding_add(all, SEVERITY_FAIL, "clients.keys", "%s", f.text);
        finding_fix(all, at, "put the node keys there, one a line, and chmod 0644 the file");
        return false;
    }
    if (source->kind == CONFIG_ALLOW_TAILSCALED && !is_socket(source->where)) {
        at = finding_add(all, SEVERITY_FAIL, "clients.tailscaled",
                         "there is no tailscaled on this server to say who is of its tailnet (%s)",
                         source->where);
        finding_fix(all, at,
                    "install Tailscale and run `tailscale up`, or choose --clients=keys:…, "
                    "url:… or anyone");
        return false;
    }
    return true;
}

/* --- Asking ------------------------------------------------------------------------------------
 */

static bool ask_source(const struct config *c, const struct config_allow_source *source,
                       struct findings *all)
{
    uint8_t key[KEY_BYTES];
    char hex[2 * KEY_BYTES + 1];
    struct transport_answer answer;
    struct fault why;
    bool whois = source->kind == CONFIG_ALLOW_TAILSCALED;
    if (source->kind == CONFIG_ALLOW_KEYS)
        return true;
    randombytes_buf(key, sizeof key);
    text_hex(key, sizeof key, hex);
    char *url = whois ? mem_printf("http://local-tailscaled.sock/localapi/v0/whois?addr="
                                   "nodekey:%s",
                                   hex)
                      : mem_strdup(source->where);
    char *post = mem_printf("{\"NodePublic\":\"nodekey:%s\",\"Source\":\"127.0.0.1\"}", hex);
    struct transport_request q = {.url = url,
                                  .unix_socket = whois ? source->where : NULL,
                                  .post = whois ? NULL : post,
                                  .timeout_ms = ASK_MS,
                                  .stop = stop_flag()};
    bool answered = transport_ask(&q, &answer, &why) == TRANSPORT_ANSWERED;
    struct clientsjudge j = {.where = source->where,
                             .status = answered ? answer.status : 0,
                             .body = buf_text(&answer.body),
                             .reason = why.text,
                             .fail_open = c->fail_open};
    bool fine = whois ? clientsjudge_whois(&j, all) : clientsjudge_url(&j, all);
    transport_answer_free(&answer);
    free(post);
    free(url);
    return fine;
}

bool clients_has_tailscaled(void)
{
    struct config c = {.fail_open = false};
    char path[] = DESIRED_TAILSCALED;
    const struct config_allow_source source = {CONFIG_ALLOW_TAILSCALED, path};
    struct findings none = {0};
    bool answers = is_socket(path) && ask_source(&c, &source, &none);
    findings_free(&none);
    return answers;
}

/* --- All of it ---------------------------------------------------------------------------------
 */

static void report_anyone(struct findings *all)
{
    size_t at =
        finding_add(all, SEVERITY_WARN, "clients.anyone",
                    "ANYONE on the internet who learns the relay's name may use it, with all "
                    "of its bandwidth");
    finding_fix(all, at,
                "--clients=tailscaled, url:… or keys:… restricts it, --uplink=RATE "
                "keeps it in bounds");
}

static void check(const struct config *c, bool ask, struct findings *all)
{
    bool fine = true;
    if (c->allow_count == 0) {
        report_anyone(all);
        return;
    }
    for (size_t i = 0; i < c->allow_count; i++)
        fine &= check_source(&c->allow[i], all) && (!ask || ask_source(c, &c->allow[i], all));
    if (fine)
        finding_add(all, SEVERITY_OK, "clients.ok", "who may use it is restricted%s",
                    ask ? ", and who decides that answers" : "");
}

void clients_check(const struct config *c, struct findings *all)
{
    check(c, false, all);
}

void clients_ask(const struct config *c, struct findings *all)
{
    check(c, true, all);
}
