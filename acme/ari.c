/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/ari.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define MINUTE     60
#define HOUR       3600
#define DAY        (24 * HOUR)
#define LOOK_EVERY (6 * HOUR) /* when the CA names no Retry-After */
#define LOOK_MOST  (6 * HOUR) /* between two looks without an answer */

/* --- The certificate's name ------------------------------------------------------------------- */

/* The content bytes of the serial's DER, base64url: RFC 9773 wants the leading 00 that keeps a
 * number positive, which OpenSSL's own bytes lack. */
static char *serial_part(const X509 *cert)
{
    unsigned char *der = NULL;
    char *text = NULL;
    int n = i2d_ASN1_INTEGER(X509_get0_serialNumber(cert), &der);
    /* Tag, one byte of length (RFC 5280: at most 20 bytes), content. */
    if (n > 2 && der[1] < 0x80 && n == 2 + der[1])
        text = text_base64url(der + 2, der[1]);
    OPENSSL_free(der);
    return text;
}

char *ari_cert_id(const X509 *cert)
{
    AUTHORITY_KEYID *aki = X509_get_ext_d2i(cert, NID_authority_key_identifier, NULL, NULL);
    char *id = NULL;
    if (aki && aki->keyid && ASN1_STRING_length(aki->keyid) > 0) {
        char *issuer = text_base64url(ASN1_STRING_get0_data(aki->keyid),
                                      (size_t)ASN1_STRING_length(aki->keyid));
        char *serial = serial_part(cert);
        if (serial)
            id = mem_printf("%s.%s", issuer, serial);
        free(issuer);
        free(serial);
    }
    AUTHORITY_KEYID_free(aki);
    ERR_clear_error();
    return id;
}

/* --- What is known ---------------------------------------------------------------------------- */

void ari_free(struct ari *a)
{
    free(a->cert_id);
    free(a->explanation);
    *a = (struct ari){0};
}

void ari_bind(struct ari *a, const char *cert_id)
{
    if (cert_id && a->cert_id && strcmp(cert_id, a->cert_id) == 0)
        return;
    ari_free(a);
    a->cert_id = mem_strdup(cert_id);
}

static int64_t bounded(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

bool ari_answer(struct ari *a, const struct renewal_info *info, time_t now, int64_t retry_after,
                uint64_t random)
{
    bool other = a->pick == 0 || a->start != info->start || a->end != info->end;
    if (other) {
        a->start = info->start;
        a->end = info->end;
        a->pick = info->start + (time_t)(random % (uint64_t)(info->end - info->start));
    }
    free(a->explanation);
    a->explanation = mem_strdup(info->explanation);
    a->failures = 0;
    a->next_look = now + (retry_after > 0 ? bounded(retry_after, MINUTE, DAY) : LOOK_EVERY);
    return other;
}

void ari_no_answer(struct ari *a, time_t now, int64_t retry_after)
{
    int64_t wait = a->failures < 10 ? (int64_t)(5 * MINUTE) << a->failures : LOOK_MOST;
    wait = bounded(wait, MINUTE, LOOK_MOST);
    retry_after = bounded(retry_after, 0, DAY);
    a->failures++;
    a->next_look = now + (wait > retry_after ? wait : retry_after);
}

bool ari_look_due(const struct ari *a, time_t now)
{
    return a->next_look <= now || a->next_look - now > DAY;
}
