/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what other programs and the relay print, and as a terminal line. */
#include "installer/acmestatus.h"
#include "installer/caarecords.h"
#include "installer/certificate.h"
#include "installer/choose.h"
#include "installer/clientsjudge.h"
#include "installer/limits.h"
#include "installer/relaystatus.h"
#include "installer/server.h"
#include "installer/service.h"
#include "installer/undo.h"
#include "installer/wrap.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static void read_for_doctor(const char *text)
{
    struct findings all = {0};
    struct acmestatus acme;
    struct limits l;
    struct fault f;
    struct clientsjudge answer = {.where = "https://x", .status = 200, .body = text, .reason = ""};
    if (acmestatus_parse(text, &acme, &f))
        acmestatus_judge(&acme, 1000000000, &all);
    caarecords_parse(text, &all, &f);
    char value[CHOOSE_VALUE];
    choose_of_derper(text, value);
    limits_init(&l);
    limits_parse_limits(text, &l);
    limits_parse_maps(text, &l);
    limits_parse_netstat(text, &l);
    limits_parse_meminfo(text, &l);
    limits_parse_udp(text, 3478, &l);
    limits_parse_number(text);
    limits_judge(&l, &all);
    clientsjudge_url(&answer, &all);
    findings_free(&all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_alloc(size + 1, 1);
    char out[64];
    char *words[UNDO_WORDS];
    struct service_state service;
    struct relaystatus relay;
    struct fault f;
    memcpy(text, data, size);
    service_parse(text, &service);
    server_os_name(text, out, sizeof out);
    certificate_reason(text, out, sizeof out);
    relaystatus_parse(text, &relay, &f);
    wrap_clean(text, out, sizeof out);
    for (const char *c = out; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            abort();
    undo_split(text, words, &f);
    read_for_doctor(text);
    free(text);
    return 0;
}
