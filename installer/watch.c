/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/translate.h"
#include "installer/acmestatus.h"
#include "installer/health.h"
#include "installer/screen.h"
#include "installer/service.h"
#include "installer/stop.h"
#include "installer/terminal.h"

#define EVERY_MS     2000
#define RENEWAL_MS   60000 /* it costs a process */
#define SCREEN_MAX   8192
#define DEFAULT_COLS 80

/* The words of the worst finding. */
static void sum_up(struct findings *all, char *text, size_t cap)
{
    const struct finding *worst = NULL;
    for (size_t i = 0; i < all->count; i++)
        if (!worst || all->list[i].severity > worst->severity)
            worst = &all->list[i];
    snprintf(text, cap, "%s%s", worst && worst->severity >= SEVERITY_WARN ? "! " : "",
             worst ? finding_shown_message(worst) : "");
    findings_free(all);
}

static void look_at_renewal(const struct setup *s, char *text, size_t cap)
{
    struct findings found = {0};
    struct acmestatus st;
    text[0] = '\0';
    if (s->desired.config.source != CONFIG_SOURCE_ACME || !acmestatus_read(&st, NULL))
        return;
    acmestatus_judge(&st, clock_wall(), &found);
    sum_up(&found, text, cap);
}

static void look(struct setup *s, struct screen *now, struct fault *why)
{
    struct findings found = {0};
    struct service_state relay;
    now->domain = s->desired.config.domain ? s->desired.config.domain : "";
    now->reason = why->text;
    now->runs = service_read(SERVICE_RELAY, &relay, NULL) && relay.active;
    now->known = now->runs && relaystatus_read(&s->desired.config, &now->relay, why);
    now->at_ms = clock_mono_ms();
    health_certificate(s, &found);
    sum_up(&found, now->certificate, sizeof now->certificate);
}

static void show(struct setup *s, const struct screen *now, const struct screen *before)
{
    struct buf text;
    int width = terminal_width(fileno(s->report.err), DEFAULT_COLS);
    buf_init(&text, SCREEN_MAX);
    screen_print(now, before, width, &text);
    /* Home, then each line over the old one: no flicker. */
    if (s->report.style.terminal)
        fprintf(s->report.err, "\033[H\033[J");
    char *hint = translate_text(s->report.style.terminal ? N_("Ctrl-C ends this.") : "");
    fprintf(s->report.err, "%s\n%s%s", buf_text(&text), hint, *hint ? "\n" : "");
    fflush(s->report.err);
    free(hint);
    buf_free(&text);
}

enum setup_exit watch_run(struct setup *s)
{
    struct screen seen[2] = {0};
    int64_t renewal_at = 0;
    struct fault why = {.text = ""};
    for (size_t round = 0; !stop_wanted(); round++) {
        struct screen *now = &seen[round % 2];
        const struct screen *before = round ? &seen[(round + 1) % 2] : NULL;
        look(s, now, &why);
        if (!renewal_at || now->at_ms - renewal_at >= RENEWAL_MS) {
            look_at_renewal(s, now->renewal, sizeof now->renewal);
            renewal_at = now->at_ms;
        } else {
            memcpy(now->renewal, before->renewal, sizeof now->renewal);
        }
        if (!stop_wanted())
            show(s, now, before);
        if (ferror(s->report.err))
            break; /* the reader went away */
        stop_sleep(EVERY_MS);
    }
    return EXIT_DONE;
}
