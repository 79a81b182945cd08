/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/csr.h"

#include <openssl/x509.h>
#include <string.h>

#include "acme/identifier.h"
#include "acme/key.h"
#include "base/text.h"

/* The name as what it is; NULL without memory. */
static GENERAL_NAME *general_name(const char *name)
{
    uint8_t bytes[16];
    size_t n = identifier_bytes(name, bytes);
    GENERAL_NAME *one = GENERAL_NAME_new();
    ASN1_STRING *text = ASN1_STRING_type_new(n ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
    const void *data = n ? (const void *)bytes : name;
    if (!one || !text || !ASN1_STRING_set(text, data, (int)(n ? n : strlen(name)))) {
        ASN1_STRING_free(text);
        GENERAL_NAME_free(one);
        return NULL;
    }
    GENERAL_NAME_set0_value(one, n ? GEN_IPADD : GEN_DNS, text);
    return one;
}

GENERAL_NAMES *csr_san(const char *name)
{
    GENERAL_NAMES *list = GENERAL_NAMES_new();
    GENERAL_NAME *one = general_name(name);
    if (!list || !one || !sk_GENERAL_NAME_push(list, one)) {
        GENERAL_NAME_free(one);
        GENERAL_NAMES_free(list);
        return NULL;
    }
    return list;
}

static bool add_san(X509_REQ *request, const char *name)
{
    GENERAL_NAMES *names = csr_san(name);
    STACK_OF(X509_EXTENSION) *list = NULL;
    bool ok = names && X509V3_add1_i2d(&list, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) &&
              X509_REQ_add_extensions(request, list) == 1;
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    GENERAL_NAMES_free(names);
    return ok;
}

char *csr_make(EVP_PKEY *key, const char *name, struct fault *f)
{
    unsigned char *der = NULL;
    char *text = NULL;
    X509_REQ *request = X509_REQ_new();
    bool ok = request && X509_REQ_set_version(request, 0) == 1 && add_san(request, name) &&
              X509_REQ_set_pubkey(request, key) == 1 &&
              X509_REQ_sign(request, key, EVP_sha256()) > 0;
    int n = ok ? i2d_X509_REQ(request, &der) : -1;
    if (n > 0)
        text = text_base64url(der, (size_t)n);
    else
        key_fault(f, "cannot make a certificate request");
    OPENSSL_free(der);
    X509_REQ_free(request);
    return text;
}
