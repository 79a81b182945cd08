/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/caarecords.h"

#include <jansson.h>

#include "base/run.h"
#include "installer/certificate.h"
#include "installer/stop.h"
#include "installer/wrap.h"

#define CAA_MS   60000
#define TEXT_MAX 3000

/* A text that came from a CA, fit for a terminal; "" when it is not there. */
static const char *clean(const json_t *object, const char *name, char text[static TEXT_MAX])
{
    const char *value = json_string_value(json_object_get(object, name));
    text[0] = '\0';
    if (value)
        wrap_clean(value, text, TEXT_MAX);
    return text;
}

static void one_ca(const json_t *ca, const char *domain, struct findings *all)
{
    char directory[TEXT_MAX], account[TEXT_MAX], problem[TEXT_MAX], value[TEXT_MAX];
    const json_t *record = json_array_get(json_object_get(ca, "records"), 0);
    clean(ca, "directory", directory);
    clean(ca, "accounturi", account);
    if (!*account) {
        size_t at =
            finding_add(all, SEVERITY_WARN, "certificate.caa", "there is no account at %s yet: %s",
                        directory, clean(ca, "problem", problem));
        finding_fix(all, at, "derp-acme caa tries again, and prints the CAA record");
    } else if (*clean(record, "value", value)) {
        finding_add(all, SEVERITY_OK, "certificate.caa",
                    "to let only this relay's account at %s issue, set: %s. CAA 0 issue \"%s\"",
                    directory, domain, value);
    } else {
        finding_add(all, SEVERITY_OK, "certificate.caa",
                    "the account at %s is %s; the CA does not say its name for CAA records",
                    directory, account);
    }
}

bool caarecords_parse(const char *text, struct findings *all, struct fault *f)
{
    char domain[TEXT_MAX];
    size_t i;
    json_error_t e;
    json_t *ca, *root = json_loads(text, 0, &e);
    if (!json_is_object(root)) {
        json_decref(root);
        return fault_set(f, "derp-acme caa: not a JSON object");
    }
    clean(root, "domain", domain);
    json_array_foreach(json_object_get(root, "authorities"), i, ca)
    {
        one_ca(ca, domain, all);
    }
    json_decref(root);
    return true;
}

void caarecords_show(struct setup *s)
{
    const char *const argv[] = {CERTIFICATE_AS_ACME, "derp-acme", "--json", "caa", NULL};
    struct run_options opt = {.timeout_ms = CAA_MS, .stop = stop_flag()};
    struct findings found = {0};
    struct run_result r;
    struct fault f;
    /* Exit code 1 is that an account is missing, which is told. */
    if (!run(argv, &opt, &r, &f) || !caarecords_parse(buf_text(&r.out), &found, &f))
        report_detail(&s->report, "%s", f.text);
    run_free(&r);
    report_findings(&s->report, &found);
}
