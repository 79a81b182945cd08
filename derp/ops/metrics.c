/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "derp/ops/report.h"

struct row {
    const char *name;
    const char *labels;
    const char *help;
};

#define COUNTER_ROW(id, name, labels, help) [COUNTER_##id] = {name, labels, help},
static const struct row rows[COUNTERS] = {COUNTER_TABLE(COUNTER_ROW)};

static void heading(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void gauge(struct buf *out, const char *name, const char *help, double value)
{
    heading(out, name, "gauge", help);
    buf_printf(out, "%s %.15g\n", name, value);
}

static void counters(const struct report *r, struct buf *out)
{
    for (int i = 0; i < COUNTER_QUEUE_1MS; i++) {
        /* Rows of one name stand together in the table. */
        if (i == 0 || strcmp(rows[i].name, rows[i - 1].name) != 0)
            heading(out, rows[i].name, "counter", rows[i].help);
        if (rows[i].labels[0] == '\0')
            buf_printf(out, "%s %" PRIu64 "\n", rows[i].name, r->counters[i]);
        else
            buf_printf(out, "%s{%s} %" PRIu64 "\n", rows[i].name, rows[i].labels, r->counters[i]);
    }
}

/* Each bucket counts what is in those below, too. */
static void queue_times(const struct report *r, struct buf *out)
{
    const char *name = rows[COUNTER_QUEUE_1MS].name;
    uint64_t count = 0;

    heading(out, name, "histogram", rows[COUNTER_QUEUE_1MS].help);
    for (int i = COUNTER_QUEUE_1MS; i <= COUNTER_QUEUE_MORE; i++) {
        count += r->counters[i];
        buf_printf(out, "%s_bucket{le=\"%s\"} %" PRIu64 "\n", name, rows[i].labels, count);
    }
    buf_printf(out, "%s_sum %.15g\n%s_count %" PRIu64 "\n", name,
               (double)r->counters[COUNTER_QUEUE_SUM] / 1e3, name, count);
}

static void outcome(struct buf *out, const char *name, const char *help, uint64_t ok,
                    uint64_t failed)
{
    heading(out, name, "counter", help);
    buf_printf(out, "%s{outcome=\"ok\"} %" PRIu64 "\n%s{outcome=\"failed\"} %" PRIu64 "\n", name,
               ok, name, failed);
}

static void mesh_links(const struct report *r, struct buf *out)
{
    if (r->mesh_count > 0)
        heading(out, "derp_mesh_link_up", "gauge", "1 when the link to another relay stands");
    for (size_t i = 0; i < r->mesh_count; i++)
        if (r->mesh[i].state != MESH_SELF)
            buf_printf(out, "derp_mesh_link_up{node=\"%s\"} %d\n", r->mesh[i].node,
                       r->mesh[i].state == MESH_UP);
}

void report_metrics(const struct report *r, struct buf *out)
{
    const struct certificate_status *c = &r->certificate;

    heading(out, "derp_build_info", "gauge", "always 1; the version is in the label");
    buf_printf(out, "derp_build_info{version=\"%s\"} 1\n", DERP_RELAY_VERSION);
    gauge(out, "derp_start_time_seconds", "when the relay started (Unix time)", (double)r->started);
    gauge(out, "derp_certificate_not_after_seconds",
          "when the served certificate expires (Unix time)", (double)c->info.not_after);
    gauge(out, "derp_certificate_good",
          "1 when the served certificate is neither temporary nor expired",
          c->state == CERTIFICATE_GOOD);
    outcome(out, "derp_certificate_reloads_total", "certificates taken into use or refused",
            c->reloads, c->refused);
    outcome(out, "derp_config_reloads_total", "reloads of the config by outcome", r->reloads_ok,
            r->reloads_failed);
    heading(out, "derp_connections_refused_total", "counter", "connections beyond accept-limit");
    buf_printf(out, "derp_connections_refused_total %" PRIu64 "\n", r->accepts_refused);
    gauge(out, "derp_connections", "open TCP connections", (double)r->gauges.connections);
    gauge(out, "derp_clients", "connections that are logged in", (double)r->gauges.clients);
    gauge(out, "derp_clients_home", "of these, whose home relay this is", (double)r->gauges.home);
    gauge(out, "derp_clients_not_ideal", "of these, who would rather be on another node",
          (double)r->gauges.not_ideal);
    gauge(out, "derp_clients_prober", "of these, who only probe", (double)r->gauges.probers);
    gauge(out, "derp_clients_websocket", "of these, who speak WebSocket",
          (double)r->gauges.websockets);
    gauge(out, "derp_client_keys", "distinct client keys", (double)r->gauges.keys);
    gauge(out, "derp_client_keys_contested", "client keys held by several connections",
          (double)r->gauges.contested);
    gauge(out, "derp_mesh_client_keys", "client keys that only other relays of the region have",
          (double)r->gauges.remote);
    mesh_links(r, out);
    gauge(out, "derp_handover_bytes", "packet bytes on their way between worker threads",
          (double)r->gauges.queued_bytes);
    gauge(out, "derp_admission_rechecks_waiting",
          "clients that are logged in and wait to be asked about", (double)r->gauges.rechecks);
    counters(r, out);
    queue_times(r, out);
    buf_puts(out, r->renewals);
}
