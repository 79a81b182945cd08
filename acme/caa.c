/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/caa.h"

#include <stdlib.h>
#include <string.h>

#include "acme/account.h"
#include "acme/challenge.h"
#include "acme/identifier.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#define RECORD_MAX                                                                                 \
    4096 /* an account's URL alone has up to 2000; a record that is cut is a trap                  \
          */

static bool ask(struct session *s, const struct authority *ca, struct caa_entry *e)
{
    struct failure fail = {0};
    e->directory = mem_strdup(ca->directory);
    bool ok =
        session_use(s, ca, &fail) && client_directory(&s->client, &fail) && account_ready(s, &fail);
    const struct directory *d = &s->client.directory;
    for (e->count = 0; e->count < d->caa_count; e->count++)
        e->names[e->count] = mem_strdup(d->caa[e->count]);
    if (ok)
        e->account = mem_strdup(s->client.kid);
    else
        e->problem = mem_strdup(fail.text);
    session_hang_up(s);
    return ok;
}

bool caa_gather(struct session *s, const struct authority *list, size_t count, struct caa *caa)
{
    bool ok = true;
    *caa = (struct caa){.domain = s->config->domain,
                        .challenge = challenge_name(s->config->challenge)};
    for (size_t i = 0; i < count; i++)
        ok = ask(s, &list[i], &caa->list[caa->count++]) && ok;
    return ok;
}

void caa_free(struct caa *caa)
{
    for (size_t i = 0; i < caa->count; i++) {
        struct caa_entry *e = &caa->list[i];
        for (size_t j = 0; j < e->count; j++)
            free(e->names[j]);
        free(e->directory);
        free(e->account);
        free(e->problem);
    }
    *caa = (struct caa){0};
}

char *caa_value(const struct caa *caa, const struct caa_entry *e, const char *name)
{
    return mem_printf("%s; accounturi=%s; validationmethods=%s", name, e->account, caa->challenge);
}

static void print_entry(const struct caa *caa, const struct caa_entry *e, FILE *out)
{
    fprintf(out, "; %s\n", e->directory);
    if (!e->account)
        fprintf(out, "; the account is not known: %s\n", e->problem);
    else if (e->count == 0)
        fprintf(out, "; the CA does not say its name for CAA records; the account is %s\n",
                e->account);
    for (size_t i = 0; e->account && i < e->count; i++) {
        char shown[RECORD_MAX];
        char *value = caa_value(caa, e, e->names[i]);
        text_printable(value, strlen(value), shown, sizeof shown);
        fprintf(out, "%s%s. IN CAA 0 issue \"%s\"\n", i ? "; or: " : "", caa->domain, shown);
        free(value);
    }
}

void caa_print(const struct caa *caa, FILE *out)
{
    if (identifier_is_ip(caa->domain)) {
        fprintf(out, "; %s is an address: CAA records are about names only\n", caa->domain);
        return;
    }
    for (size_t i = 0; i < caa->count; i++)
        print_entry(caa, &caa->list[i], out);
}
