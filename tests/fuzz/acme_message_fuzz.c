/* SPDX-License-Identifier: Apache-2.0 */
/* What a CA answers: directory, order, authorization, problem document. */
#include <stdlib.h>
#include <string.h>

#include "acme/header.h"
#include "acme/message.h"

static void check_url(const char *url)
{
    if (url && !header_is_url(url))
        abort();
}

static void check_text(const struct failure *fail)
{
    if (strlen(fail->text) >= sizeof fail->text || fail->class >= FAILURE_CLASSES)
        abort();
}

static void directory(const uint8_t *data, size_t n)
{
    struct directory d;
    struct fault f;
    if (message_directory(data, n, &d, &f)) {
        check_url(d.new_nonce);
        check_url(d.new_order);
        if (!d.new_nonce || !d.new_account || !d.new_order || !d.revoke_cert)
            abort();
    }
    directory_free(&d);
}

static void order(const uint8_t *data, size_t n)
{
    struct order o;
    struct fault f;
    if (message_order(data, n, &o, &f)) {
        check_url(o.finalize);
        check_url(o.certificate);
        check_text(&o.error);
        for (size_t i = 0; i < o.authorization_count; i++)
            check_url(o.authorizations[i]);
    }
    order_free(&o);
}

static void authorization(const uint8_t *data, size_t n)
{
    struct authorization a;
    struct fault f;
    if (message_authorization(data, n, &a, &f)) {
        for (size_t i = 0; i < a.challenge_count; i++) {
            check_url(a.challenges[i].url);
            if (a.challenges[i].token && strpbrk(a.challenges[i].token, "./\\"))
                abort();
            if (a.challenges[i].error)
                check_text(a.challenges[i].error);
        }
    }
    authorization_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct failure fail;
    directory(data, n);
    order(data, n);
    authorization(data, n);
    if (message_problem(data, n, 400, CLASSIFY_REQUEST, &fail))
        check_text(&fail);
    return 0;
}
