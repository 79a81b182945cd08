/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happened, counted. Each worker counts in its own block without locks; readers add the
 * blocks up. The table below is also the metrics' names, labels and help texts.
 */
#ifndef DERP_RELAY_COUNTERS_H
#define DERP_RELAY_COUNTERS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* id, metric name, labels, help (of the metric; equal for all rows of a name). The rows of
 * derp_queue_seconds are a histogram's: its bounds instead of labels, each row for itself; the sum
 * in milliseconds. */
#define COUNTER_TABLE(X)                                                                           \
    X(ACCEPTED, "derp_connections_accepted_total", "", "TCP connections accepted")                 \
    X(PROXY_OK, "derp_proxy_connections_total", "outcome=\"ok\"",                                  \
      "connections to listen-proxy by outcome")                                                    \
    X(PROXY_BAD, "derp_proxy_connections_total", "outcome=\"bad_header\"",                         \
      "connections to listen-proxy by outcome")                                                    \
    X(PROXY_TIMEOUT, "derp_proxy_connections_total", "outcome=\"timeout\"",                        \
      "connections to listen-proxy by outcome")                                                    \
    X(PROXY_STRANGER, "derp_proxy_connections_total", "outcome=\"not_allowed\"",                   \
      "connections to listen-proxy by outcome")                                                    \
    X(EVICTED, "derp_connections_evicted_total", "",                                               \
      "connections closed before login because newer ones needed the room")                        \
    X(HANDSHAKE_OK, "derp_tls_handshakes_total", "outcome=\"ok\"", "TLS handshakes by outcome")    \
    X(HANDSHAKE_FAILED, "derp_tls_handshakes_total", "outcome=\"failed\"",                         \
      "TLS handshakes by outcome")                                                                 \
    X(HANDSHAKE_TIMEOUT, "derp_tls_handshakes_total", "outcome=\"timeout\"",                       \
      "TLS handshakes by outcome")                                                                 \
    X(HANDSHAKE_CHALLENGE, "derp_tls_handshakes_total", "outcome=\"acme\"",                        \
      "TLS handshakes by outcome")                                                                 \
    X(HTTP_REQUEST, "derp_http_requests_total", "kind=\"plain\"", "HTTP requests by kind")         \
    X(HTTP_UPGRADE, "derp_http_requests_total", "kind=\"derp\"", "HTTP requests by kind")          \
    X(HTTP_REFUSED, "derp_http_requests_total", "kind=\"refused\"", "HTTP requests by kind")       \
    X(PROXIED, "derp_http_proxied_total", "",                                                      \
      "requests for DERP that came through an HTTP proxy, which DERP does not survive")            \
    X(LOGIN_OK, "derp_logins_total", "outcome=\"ok\"", "DERP logins by outcome")                   \
    X(LOGIN_FAILED, "derp_logins_total", "outcome=\"failed\"", "DERP logins by outcome")           \
    X(LOGIN_TIMEOUT, "derp_logins_total", "outcome=\"timeout\"", "DERP logins by outcome")         \
    X(LOGIN_REFUSED, "derp_logins_total", "outcome=\"refused\"", "DERP logins by outcome")         \
    X(LOGIN_DUPLICATE, "derp_logins_duplicate_total", "",                                          \
      "DERP logins while another connection had the same key")                                     \
    X(HOME_IN, "derp_home_moves_total", "direction=\"in\"",                                        \
      "clients that made this their home, or ceased to, later than 5 s after the login")           \
    X(HOME_OUT, "derp_home_moves_total", "direction=\"out\"",                                      \
      "clients that made this their home, or ceased to, later than 5 s after the login")           \
    X(ADMITTED, "derp_admission_total", "verdict=\"admitted\"",                                    \
      "answers of the admission sources")                                                          \
    X(REFUSED, "derp_admission_total", "verdict=\"refused\"", "answers of the admission sources")  \
    X(UNSURE, "derp_admission_total", "verdict=\"unsure\"", "answers of the admission sources")    \
    X(BAD_ANSWER, "derp_admission_total", "verdict=\"bad_answer\"",                                \
      "answers of the admission sources")                                                          \
    X(REFUSED_APP, "derp_admission_total", "verdict=\"refused_app\"",                              \
      "answers of the admission sources")                                                          \
    X(REVOKED, "derp_admission_total", "verdict=\"revoked\"", "answers of the admission sources")  \
    X(STALLED, "derp_connections_stalled_total", "",                                               \
      "connections closed because the peer took no data")                                          \
    X(PROTOCOL_ERROR, "derp_protocol_errors_total", "",                                            \
      "connections closed because of a frame that breaks the protocol")                            \
    X(IN_DISCO, "derp_packets_received_total", "kind=\"disco\"",                                   \
      "packets from clients: disco is path discovery, other is relayed traffic")                   \
    X(IN_OTHER, "derp_packets_received_total", "kind=\"other\"",                                   \
      "packets from clients: disco is path discovery, other is relayed traffic")                   \
    X(IN_DISCO_BYTES, "derp_received_bytes_total", "kind=\"disco\"",                               \
      "payload bytes of packets from clients")                                                     \
    X(IN_OTHER_BYTES, "derp_received_bytes_total", "kind=\"other\"",                               \
      "payload bytes of packets from clients")                                                     \
    X(OUT_DISCO, "derp_packets_sent_total", "kind=\"disco\"", "packets queued to clients")         \
    X(OUT_OTHER, "derp_packets_sent_total", "kind=\"other\"", "packets queued to clients")         \
    X(OUT_DISCO_BYTES, "derp_sent_bytes_total", "kind=\"disco\"",                                  \
      "payload bytes of packets queued to clients")                                                \
    X(OUT_OTHER_BYTES, "derp_sent_bytes_total", "kind=\"other\"",                                  \
      "payload bytes of packets queued to clients")                                                \
    X(DROP_UNKNOWN_DISCO, "derp_packets_dropped_total", "reason=\"unknown_dest\",kind=\"disco\"",  \
      "packets dropped, by reason and kind")                                                       \
    X(DROP_UNKNOWN_OTHER, "derp_packets_dropped_total", "reason=\"unknown_dest\",kind=\"other\"",  \
      "packets dropped, by reason and kind")                                                       \
    X(DROP_UNKNOWN_FWD_DISCO, "derp_packets_dropped_total",                                        \
      "reason=\"unknown_dest_on_fwd\",kind=\"disco\"", "packets dropped, by reason and kind")      \
    X(DROP_UNKNOWN_FWD_OTHER, "derp_packets_dropped_total",                                        \
      "reason=\"unknown_dest_on_fwd\",kind=\"other\"", "packets dropped, by reason and kind")      \
    X(DROP_GONE_DISCO, "derp_packets_dropped_total",                                               \
      "reason=\"gone_disconnected\",kind=\"disco\"", "packets dropped, by reason and kind")        \
    X(DROP_GONE_OTHER, "derp_packets_dropped_total",                                               \
      "reason=\"gone_disconnected\",kind=\"other\"", "packets dropped, by reason and kind")        \
    X(DROP_HEAD_DISCO, "derp_packets_dropped_total", "reason=\"queue_head\",kind=\"disco\"",       \
      "packets dropped, by reason and kind")                                                       \
    X(DROP_HEAD_OTHER, "derp_packets_dropped_total", "reason=\"queue_head\",kind=\"other\"",       \
      "packets dropped, by reason and kind")                                                       \
    X(DROP_LATE_DISCO, "derp_packets_dropped_total", "reason=\"queue_time\",kind=\"disco\"",       \
      "packets dropped, by reason and kind")                                                       \
    X(DROP_LATE_OTHER, "derp_packets_dropped_total", "reason=\"queue_time\",kind=\"other\"",       \
      "packets dropped, by reason and kind")                                                       \
    X(DROP_TAIL_DISCO, "derp_packets_dropped_total", "reason=\"queue_tail\",kind=\"disco\"",       \
      "packets dropped, by reason and kind")                                                       \
    X(DROP_TAIL_OTHER, "derp_packets_dropped_total", "reason=\"queue_tail\",kind=\"other\"",       \
      "packets dropped, by reason and kind")                                                       \
    X(FORWARDED_IN, "derp_packets_forwarded_total", "direction=\"in\"",                            \
      "packets from and to other relays of the region")                                            \
    X(FORWARDED_OUT, "derp_packets_forwarded_total", "direction=\"out\"",                          \
      "packets from and to other relays of the region")                                            \
    X(PING, "derp_pings_total", "outcome=\"answered\"", "client pings by outcome")                 \
    X(PING_SKIPPED, "derp_pings_total", "outcome=\"skipped\"", "client pings by outcome")          \
    X(PEER_GONE_LEFT, "derp_peer_gone_sent_total", "reason=\"disconnected\"",                      \
      "PeerGone frames sent")                                                                      \
    X(PEER_GONE_NOT_HERE, "derp_peer_gone_sent_total", "reason=\"not_here\"",                      \
      "PeerGone frames sent")                                                                      \
    X(HEALTH, "derp_health_sent_total", "",                                                        \
      "Health frames sent: a key belongs to several devices, or does so no more")                  \
    X(UNKNOWN_FRAME, "derp_unknown_frames_total", "", "frames of unknown type, read over")         \
    X(STUN_OK, "derp_stun_requests_total", "outcome=\"ok\"", "STUN requests by outcome")           \
    X(STUN_NOT_STUN, "derp_stun_requests_total", "outcome=\"not_stun\"",                           \
      "STUN requests by outcome")                                                                  \
    X(STUN_NOT_BINDING, "derp_stun_requests_total", "outcome=\"not_binding\"",                     \
      "STUN requests by outcome")                                                                  \
    X(STUN_MALFORMED, "derp_stun_requests_total", "outcome=\"malformed\"",                         \
      "STUN requests by outcome")                                                                  \
    X(STUN_SOFTWARE, "derp_stun_requests_total", "outcome=\"wrong_software\"",                     \
      "STUN requests by outcome")                                                                  \
    X(STUN_FINGERPRINT, "derp_stun_requests_total", "outcome=\"wrong_fingerprint\"",               \
      "STUN requests by outcome")                                                                  \
    X(STUN_SILENT, "derp_stun_requests_total", "outcome=\"relay_not_ready\"",                      \
      "STUN requests by outcome")                                                                  \
    X(STUN_UNSENT, "derp_stun_requests_total", "outcome=\"send_failed\"",                          \
      "STUN requests by outcome")                                                                  \
    X(QUEUE_1MS, "derp_queue_seconds", "0.001", COUNTER_QUEUE_HELP)                                \
    X(QUEUE_5MS, "derp_queue_seconds", "0.005", COUNTER_QUEUE_HELP)                                \
    X(QUEUE_10MS, "derp_queue_seconds", "0.01", COUNTER_QUEUE_HELP)                                \
    X(QUEUE_25MS, "derp_queue_seconds", "0.025", COUNTER_QUEUE_HELP)                               \
    X(QUEUE_50MS, "derp_queue_seconds", "0.05", COUNTER_QUEUE_HELP)                                \
    X(QUEUE_100MS, "derp_queue_seconds", "0.1", COUNTER_QUEUE_HELP)                                \
    X(QUEUE_250MS, "derp_queue_seconds", "0.25", COUNTER_QUEUE_HELP)                               \
    X(QUEUE_500MS, "derp_queue_seconds", "0.5", COUNTER_QUEUE_HELP)                                \
    X(QUEUE_MORE, "derp_queue_seconds", "+Inf", COUNTER_QUEUE_HELP)                                \
    X(QUEUE_SUM, "derp_queue_seconds", "sum", COUNTER_QUEUE_HELP)

#define COUNTER_QUEUE_HELP                                                                         \
    "how long relayed packets waited for their receiver's line, without disco"

#define COUNTER_ID(id, name, labels, help) COUNTER_##id,
enum counter_id { COUNTER_TABLE(COUNTER_ID) COUNTERS };
#undef COUNTER_ID

struct counters {
    atomic_uint_fast64_t value[COUNTERS];
};

/* The bucket of a packet that has waited for so long. */
enum counter_id counter_of_wait(int64_t ms);

/* Adds n; only the owning worker may call it for its block. */
static inline void count(struct counters *c, enum counter_id id, uint64_t n)
{
    /* One writer: a plain add, made visible to readers, without a locked instruction. */
    uint64_t v = atomic_load_explicit(&c->value[id], memory_order_relaxed);
    atomic_store_explicit(&c->value[id], v + n, memory_order_relaxed);
}

#endif
