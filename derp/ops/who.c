/* SPDX-License-Identifier: Apache-2.0 */
#include "derp/ops/who.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "derp/net/web.h"

#define LIST_MAX   (256 * 1024 * 1024)
#define TIMEOUT_MS 10000

/* --- The table ------------------------------------------------------------------------------ */

struct row {
    char key[16], address[64], app[40];
    json_int_t seconds, received, sent, dropped, waiting;
    int home, mesh, prober, websocket, not_ideal, duplicate;
};

static bool read_row(json_t *object, struct row *r)
{
    const char *key, *address, *app;

    if (json_unpack(
            object, "{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:b, s:b, s:b, s:b}", "key",
            &key, "address", &address, "app", &app, "seconds", &r->seconds, "receivedBytes",
            &r->received, "sentBytes", &r->sent, "droppedPackets", &r->dropped, "waitingBytes",
            &r->waiting, "home", &r->home, "mesh", &r->mesh, "prober", &r->prober, "webSocket",
            &r->websocket, "notIdeal", &r->not_ideal, "duplicate", &r->duplicate) != 0)
        return false;
    text_printable(key, strlen(key), r->key, sizeof r->key);
    text_printable(address, strlen(address), r->address, sizeof r->address);
    text_printable(app, strlen(app), r->app, sizeof r->app);
    return true;
}

static int by_traffic(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    json_int_t left = x->received + x->sent, right = y->received + y->sent;

    if (left != right)
        return left < right ? 1 : -1;
    return x->seconds < y->seconds ? 1 : x->seconds > y->seconds ? -1 : strcmp(x->key, y->key);
}

/* "45s", "12m", "3h05m", "2d04h" */
static const char *age(json_int_t s, char text[static 32])
{
    if (s < 60)
        snprintf(text, 32, "%" JSON_INTEGER_FORMAT "s", s);
    else if (s < 3600)
        snprintf(text, 32, "%" JSON_INTEGER_FORMAT "m", s / 60);
    else if (s < 86400)
        snprintf(text, 32, "%" JSON_INTEGER_FORMAT "h%02dm", s / 3600, (int)(s / 60 % 60));
    else
        snprintf(text, 32, "%" JSON_INTEGER_FORMAT "d%02dh", s / 86400, (int)(s / 3600 % 24));
    return text;
}

static const char *size(json_int_t n, char text[static 32])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    double v = (double)n;
    size_t u = 0;

    while (v >= 999.5 && u + 1 < sizeof units / sizeof units[0]) {
        v /= 1000;
        u++;
    }
    snprintf(text, 32, u > 0 && v < 9.95 ? "%.1f %s" : "%.0f %s", v, units[u]);
    return text;
}

static void print_row(const struct row *r, FILE *out)
{
    char since[32], received[32], sent[32], waiting[32], notes[128];
    int n = snprintf(notes, sizeof notes, "%s%s%s%s%s%s", r->home ? ", home" : "",
                     r->mesh ? ", mesh" : "", r->prober ? ", prober" : "",
                     r->websocket ? ", websocket" : "", r->not_ideal ? ", not ideal" : "",
                     r->duplicate ? ", duplicate" : "");

    fprintf(out, "%-8s %-24s %6s %8s %8s %8s %7" JSON_INTEGER_FORMAT "%s%s%s%s\n", r->key,
            r->address, age(r->seconds, since), size(r->received, received), size(r->sent, sent),
            size(r->waiting, waiting), r->dropped, n > 0 || r->app[0] != '\0' ? "  " : "",
            n > 0 ? notes + 2 : "", n > 0 && r->app[0] != '\0' ? ", " : "", r->app);
}

static void print_rows(struct row *rows, size_t count, FILE *out)
{
    size_t home = 0;

    if (count > 0) {
        qsort(rows, count, sizeof *rows, by_traffic);
        fprintf(out, "%-8s %-24s %6s %8s %8s %8s %7s  %s\n", "KEY", "ADDRESS", "AGE", "FROM IT",
                "TO IT", "WAITING", "DROPPED", "NOTES");
    }
    for (size_t i = 0; i < count; i++) {
        print_row(&rows[i], out);
        home += rows[i].home != 0;
    }
    fprintf(out, "%zu connection%s, for %zu this is the home relay\n", count, count == 1 ? "" : "s",
            home);
}

bool who_table(const char *json, FILE *out, struct fault *f)
{
    json_t *root = json_loads(json, 0, NULL);
    json_t *list = json_object_get(root, "connections");
    size_t count = json_array_size(list);
    struct row *rows = mem_alloc(count + 1, sizeof *rows);
    bool ok = json_is_array(list);

    for (size_t i = 0; ok && i < count; i++)
        ok = read_row(json_array_get(list, i), &rows[i]);
    if (ok)
        print_rows(rows, count, out);
    else
        fault_set(f, "the answer is not a list of connections: is this derpd of another version?");
    free(rows);
    json_decref(root);
    return ok;
}

/* --- Asking --------------------------------------------------------------------------------- */

struct asking {
    bool done;
    bool ok;
    struct buf body;
    struct fault fault;
};

static void on_answer(void *arg, const struct web_answer *a)
{
    struct asking *asking = arg;

    asking->done = true;
    if (a->status == 0)
        fault_set(&asking->fault, "%s", a->reason);
    else if (a->status != 200)
        fault_set(&asking->fault, "it answers HTTP %d: is this derpd of another version?",
                  a->status);
    else
        asking->ok = buf_append(&asking->body, a->body, a->n);
}

static bool ask(const char *url, struct asking *asking)
{
    struct web_request r = {.url = url, .timeout_ms = TIMEOUT_MS, .max_body = LIST_MAX};
    struct web *web = web_new();

    buf_init(&asking->body, LIST_MAX);
    web_ask(web, &r, on_answer, asking);
    while (!asking->done)
        web_turn(web, TIMEOUT_MS);
    web_free(web);
    return asking->ok;
}

bool who_print(const struct config *c, bool as_json, FILE *out, struct fault *f)
{
    char at[ENDPOINT_TEXT], url[ENDPOINT_TEXT + 32];
    struct asking asking = {0};
    bool ok;

    if (c->metrics.count == 0)
        return fault_set(f, "metrics is off in the config; the list is given on that address only");
    endpoint_print(&c->metrics.list[0], at);
    snprintf(url, sizeof url, "http://%s/connections", at);
    ok = ask(url, &asking);
    if (!ok)
        fault_set(f, "no list from %s: %s (is derpd running? systemctl status derpd)", at,
                  asking.fault.text);
    else if (as_json)
        ok = fputs(buf_text(&asking.body), out) >= 0;
    else
        ok = who_table(buf_text(&asking.body), out, f);
    buf_free(&asking.body);
    if (ok && fflush(out) != 0)
        ok = fault_errno(f, "cannot write the list");
    return ok;
}
