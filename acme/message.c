/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/message.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "acme/header.h"
#include "acme/identifier.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"

#define DOCUMENT_MAX (256 * 1024)
#define TOKEN_MAX    256
#define VALUE_MAX    256

/* --- Members ---------------------------------------------------------------------------------- */

/* A string member without NUL bytes, or NULL (also for null and other types). */
static const char *text_member(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_string_value(value);
}

/* A copy of an https URL member, or NULL. */
static char *url_member(const json_t *object, const char *name)
{
    const char *s = text_member(object, name);
    return s && header_is_url(s) ? mem_strdup(s) : NULL;
}

/* Parses an object; the caller decrefs. NULL with a reason. */
static json_t *parse(const void *json, size_t n, const char *what, struct fault *f)
{
    json_error_t error;
    if (n > DOCUMENT_MAX) {
        fault_set(f, "the CA's %s has %zu bytes; that is too large", what, n);
        return NULL;
    }
    json_t *root = json_loadb(json, n, JSON_REJECT_DUPLICATES, &error);
    if (!root) {
        fault_set(f, "the CA's %s is not JSON: %s", what, error.text);
        return NULL;
    }
    if (!json_is_object(root)) {
        fault_set(f, "the CA's %s is not a JSON object", what);
        json_decref(root);
        return NULL;
    }
    return root;
}

static const struct {
    const char *name;
    enum message_status status;
} statuses[] = {
    {"pending", MESSAGE_PENDING},       {"ready", MESSAGE_READY},
    {"processing", MESSAGE_PROCESSING}, {"valid", MESSAGE_VALID},
    {"invalid", MESSAGE_INVALID},       {"deactivated", MESSAGE_DEACTIVATED},
    {"expired", MESSAGE_EXPIRED},       {"revoked", MESSAGE_REVOKED},
};
#define STATUSES (sizeof statuses / sizeof *statuses)

static enum message_status status_member(const json_t *object)
{
    const char *s = text_member(object, "status");
    for (size_t i = 0; s && i < STATUSES; i++) {
        if (strcmp(s, statuses[i].name) == 0)
            return statuses[i].status;
    }
    return MESSAGE_OTHER;
}

const char *message_status_name(enum message_status status)
{
    for (size_t i = 0; i < STATUSES; i++) {
        if (statuses[i].status == status)
            return statuses[i].name;
    }
    return "unknown";
}

/* --- Problems --------------------------------------------------------------------------------- */

/* Appends remote text made printable, at most 2,000 bytes of it. */
static void add_remote(struct buf *b, const char *s)
{
    char text[2000];
    text_printable(s, strlen(s), text, sizeof text);
    buf_puts(b, text);
}

static void add_subproblems(struct buf *b, const json_t *list)
{
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one)
    {
        const char *detail = text_member(one, "detail");
        const char *name = text_member(json_object_get(one, "identifier"), "value");
        if (i == 10)
            break;
        if (!detail)
            continue;
        buf_puts(b, i == 0 ? " (" : "; ");
        if (name) {
            add_remote(b, name);
            buf_puts(b, ": ");
        }
        add_remote(b, detail);
        if (i + 1 == json_array_size(list) || i == 9)
            buf_puts(b, ")");
    }
}

/* The problem in one line, in the CA's words. */
static void problem_text(const json_t *problem, const char *type, long status, struct buf *b)
{
    const char *detail = text_member(problem, "detail");
    const char *title = text_member(problem, "title");
    const char *instance = text_member(problem, "instance");
    if (*type)
        add_remote(b, classify_short(type));
    else
        buf_printf(b, "HTTP status %ld", status);
    if (detail || title) {
        buf_puts(b, ": ");
        add_remote(b, detail ? detail : title);
    }
    add_subproblems(b, json_object_get(problem, "subproblems"));
    if (instance) {
        buf_puts(b, " — see ");
        add_remote(b, instance);
    }
}

static void problem_read(const json_t *problem, long status, enum classify_place place,
                         struct failure *fail)
{
    const char *type = text_member(problem, "type");
    const json_t *number = json_object_get(problem, "status");
    if (status == 0 && json_is_integer(number))
        status = (long)json_integer_value(number);
    if (!type || strcmp(type, "about:blank") == 0)
        type = "";

    struct buf b;
    buf_init(&b, sizeof fail->text - 1);
    problem_text(problem, type, status, &b);
    failure_set(fail, classify_problem(place, type, status, text_member(problem, "detail")), "%s",
                buf_text(&b));
    text_printable(type, strlen(type), fail->type, sizeof fail->type);
    fail->status = status;
    buf_free(&b);
}

bool message_problem(const void *json, size_t n, long status, enum classify_place place,
                     struct failure *fail)
{
    struct fault ignored;
    json_t *root = parse(json, n, "problem document", &ignored);
    bool is = root && (text_member(root, "type") || text_member(root, "detail"));
    if (is)
        problem_read(root, status, place, fail);
    json_decref(root);
    return is;
}

/* --- Directory -------------------------------------------------------------------------------- */

/* Copies the strings of an array, up to cap of them. */
static size_t string_list(const json_t *array, char **list, size_t cap)
{
    size_t i, count = 0;
    json_t *one;
    json_array_foreach(array, i, one)
    {
        const char *s = json_string_value(one);
        if (s && *s && strlen(s) < VALUE_MAX && count < cap)
            list[count++] = mem_strdup(s);
    }
    return count;
}

static void directory_meta(const json_t *meta, struct directory *d)
{
    const char *name;
    json_t *value;
    d->terms = url_member(meta, "termsOfService");
    d->external_account = json_is_true(json_object_get(meta, "externalAccountRequired"));
    d->caa_count = string_list(json_object_get(meta, "caaIdentities"), d->caa, MESSAGE_MAX_CAA);
    json_object_foreach(json_object_get(meta, "profiles"), name, value)
    {
        if (d->profile_count < MESSAGE_MAX_PROFILES && *name && strlen(name) < VALUE_MAX)
            d->profiles[d->profile_count++] = mem_strdup(name);
    }
}

bool message_directory(const void *json, size_t n, struct directory *d, struct fault *f)
{
    *d = (struct directory){0};
    json_t *root = parse(json, n, "directory", f);
    if (!root)
        return false;
    d->new_nonce = url_member(root, "newNonce");
    d->new_account = url_member(root, "newAccount");
    d->new_order = url_member(root, "newOrder");
    d->revoke_cert = url_member(root, "revokeCert");
    d->key_change = url_member(root, "keyChange");
    d->renewal_info = url_member(root, "renewalInfo");
    directory_meta(json_object_get(root, "meta"), d);
    json_decref(root);
    if (d->new_nonce && d->new_account && d->new_order && d->revoke_cert)
        return true;
    directory_free(d);
    return fault_set(f, "this is not an ACME directory: newNonce, newAccount, newOrder and "
                        "revokeCert must all be https URLs");
}

static void free_list(char **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(list[i]);
}

void directory_free(struct directory *d)
{
    char *single[] = {d->new_nonce,  d->new_account,  d->new_order, d->revoke_cert,
                      d->key_change, d->renewal_info, d->terms};
    free_list(single, sizeof single / sizeof *single);
    free_list(d->caa, d->caa_count);
    free_list(d->profiles, d->profile_count);
    *d = (struct directory){0};
}

/* --- Order ------------------------------------------------------------------------------------ */

static bool order_authorizations(const json_t *array, struct order *o, struct fault *f)
{
    size_t i;
    json_t *one;
    json_array_foreach(array, i, one)
    {
        const char *url = json_string_value(one);
        if (!url || !header_is_url(url))
            return fault_set(f, "the CA's order has an authorization that is not an https URL");
        if (i >= MESSAGE_MAX_AUTHZ)
            return fault_set(f, "the CA's order has more than %d authorizations",
                             MESSAGE_MAX_AUTHZ);
        o->authorizations[o->authorization_count++] = mem_strdup(url);
    }
    return true;
}

static void order_names(const json_t *array, struct order *o)
{
    size_t i;
    json_t *one;
    json_array_foreach(array, i, one)
    {
        const char *value = text_member(one, "value");
        if (value && strlen(value) < VALUE_MAX && o->name_count < MESSAGE_MAX_NAMES)
            o->names[o->name_count++] = mem_strdup(value);
    }
}

bool message_order(const void *json, size_t n, struct order *o, struct fault *f)
{
    *o = (struct order){0};
    json_t *root = parse(json, n, "order", f);
    if (!root)
        return false;
    o->status = status_member(root);
    o->finalize = url_member(root, "finalize");
    o->certificate = url_member(root, "certificate");
    o->profile = mem_strdup(text_member(root, "profile"));
    order_names(json_object_get(root, "identifiers"), o);
    const json_t *error = json_object_get(root, "error");
    if (json_is_object(error))
        problem_read(error, 0, CLASSIFY_VALIDATION, &o->error);
    bool ok = order_authorizations(json_object_get(root, "authorizations"), o, f);
    json_decref(root);
    if (ok && o->status == MESSAGE_OTHER)
        ok = fault_set(f, "the CA's order has no known status");
    if (ok && !o->finalize && (o->status == MESSAGE_PENDING || o->status == MESSAGE_READY))
        ok = fault_set(f, "the CA's order has no finalize URL");
    if (!ok)
        order_free(o);
    return ok;
}

void order_free(struct order *o)
{
    free_list(o->authorizations, o->authorization_count);
    free_list(o->names, o->name_count);
    free(o->finalize);
    free(o->certificate);
    free(o->profile);
    *o = (struct order){0};
}

/* --- Authorization ---------------------------------------------------------------------------- */

/* RFC 8555 8.3: base64url; the floor is far below the 128 bits of entropy it must have. */
static bool is_token(const char *s)
{
    return header_is_nonce(s) && strlen(s) >= 16 && strlen(s) < TOKEN_MAX;
}

/* Adds a challenge; those without type or URL are of no use and left out. */
static void add_challenge(const json_t *one, struct authorization *a)
{
    const char *type = text_member(one, "type");
    const char *token = text_member(one, "token");
    const json_t *error = json_object_get(one, "error");
    char *url = url_member(one, "url");
    if (!type || !url || strlen(type) >= VALUE_MAX ||
        a->challenge_count == MESSAGE_MAX_CHALLENGES) {
        free(url);
        return;
    }
    struct challenge *c = &a->challenges[a->challenge_count++];
    c->type = mem_strdup(type);
    c->url = url;
    c->token = token && is_token(token) ? mem_strdup(token) : NULL;
    c->status = status_member(one);
    if (json_is_object(error)) {
        c->error = mem_alloc(1, sizeof *c->error);
        problem_read(error, 0, CLASSIFY_VALIDATION, c->error);
    }
}

bool message_authorization(const void *json, size_t n, struct authorization *a, struct fault *f)
{
    size_t i;
    json_t *one;
    *a = (struct authorization){0};
    json_t *root = parse(json, n, "authorization", f);
    if (!root)
        return false;
    const char *name = text_member(json_object_get(root, "identifier"), "value");
    a->status = status_member(root);
    a->name = name && strlen(name) < VALUE_MAX ? mem_strdup(name) : NULL;
    json_array_foreach(json_object_get(root, "challenges"), i, one)
    {
        add_challenge(one, a);
    }
    json_decref(root);
    if (a->status != MESSAGE_OTHER && a->name)
        return true;
    authorization_free(a);
    return fault_set(f, "the CA's authorization has no known status or no identifier");
}

void authorization_free(struct authorization *a)
{
    for (size_t i = 0; i < a->challenge_count; i++) {
        struct challenge *c = &a->challenges[i];
        free(c->type);
        free(c->url);
        free(c->token);
        free(c->error);
    }
    free(a->name);
    *a = (struct authorization){0};
}

/* --- Requests --------------------------------------------------------------------------------- */

/* Dumps and decrefs. jansson allocates with malloc, so free() fits. */
static char *dump(json_t *root)
{
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text ? text : mem_strdup("{}");
}

char *message_protected(const char *nonce, const char *url, const char *jwk, const char *kid)
{
    json_t *root = json_pack("{s:s, s:s, s:s}", "alg", "ES256", "nonce", nonce, "url", url);
    if (kid)
        json_object_set_new(root, "kid", json_string(kid));
    else
        json_object_set_new(root, "jwk", json_loads(jwk, 0, NULL));
    return dump(root);
}

char *message_binding_header(const char *key_id, const char *url)
{
    return dump(json_pack("{s:s, s:s, s:s}", "alg", "HS256", "kid", key_id, "url", url));
}

char *message_rollover_header(const char *jwk, const char *url)
{
    return dump(
        json_pack("{s:s, s:o, s:s}", "alg", "ES256", "jwk", json_loads(jwk, 0, NULL), "url", url));
}

char *message_rollover(const char *account, const char *old_jwk)
{
    return dump(
        json_pack("{s:s, s:o}", "account", account, "oldKey", json_loads(old_jwk, 0, NULL)));
}

char *message_find_account(void)
{
    return dump(json_pack("{s:b}", "onlyReturnExisting", 1));
}

char *message_new_account(const char *email, const char *binding)
{
    json_t *root = json_pack("{s:b}", "termsOfServiceAgreed", 1);
    if (email) {
        char *contact = mem_printf("mailto:%s", email);
        json_object_set_new(root, "contact", json_pack("[s]", contact));
        free(contact);
    }
    if (binding)
        json_object_set_new(root, "externalAccountBinding", json_loads(binding, 0, NULL));
    return dump(root);
}

char *message_new_order(const char *name, const char *profile, const char *replaces)
{
    json_t *root =
        json_pack("{s:[{s:s, s:s}]}", "identifiers", "type", identifier_type(name), "value", name);
    if (profile)
        json_object_set_new(root, "profile", json_string(profile));
    if (replaces)
        json_object_set_new(root, "replaces", json_string(replaces));
    return dump(root);
}

char *message_finalize(const char *csr)
{
    return dump(json_pack("{s:s}", "csr", csr));
}

char *message_revoke(const char *certificate)
{
    return dump(json_pack("{s:s}", "certificate", certificate));
}
