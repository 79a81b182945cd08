/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients and operators do, one small thing at a time. Each step stands for itself: where it
 * makes no sense (the slot is empty, say) it does nothing, so that any part of a list is a list.
 */
#ifndef TESTS_MODEL_STEP_H
#define TESTS_MODEL_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define STEP_ARGS 6

/* name, what its numbers are */
#define STEP_TABLE(X)                                                                              \
    X(CONNECT, "connect", "slot key node login(0: plain, else odd or wrong)")                      \
    X(SEND, "send", "slot to-key size is-disco count held-back-bytes")                             \
    X(PING, "ping", "slot size count")                                                             \
    X(NOTE, "note", "slot is-home")                                                                \
    X(UNKNOWN, "unknown", "slot type size")                                                        \
    X(WRONG, "wrong", "slot which: a frame of wrong length")                                       \
    X(LEAVE, "leave", "slot inside-a-frame: in good order")                                        \
    X(VANISH, "vanish", "slot inside-a-frame: by reset")                                           \
    X(STALL, "stall", "slot: stops reading")                                                       \
    X(RESUME, "resume", "slot: reads again")                                                       \
    X(STARVE, "starve", "slot by-slot: stops reading and is sent very much")                       \
    X(CHUNK, "chunk", "slot bytes: TLS records no longer than that from now on")                   \
    X(ABANDON, "abandon", "node how-far: a login that is broken off")                              \
    X(CERTIFICATE, "certificate", "node which: new connections see it")                            \
    X(ADMIT, "admit", "node keys: bits of those who may be here, -1 for everyone")                 \
    X(LINK, "link", "node other is-up: between two relays of the region")                          \
    X(THIRST, "thirst", "slot: asks for a missing key until it is told so again")                  \
    X(QUIET, "quiet", ": everything on its way arrives")

#define STEP_OP(id, name, args) STEP_##id,
enum step_op { STEP_TABLE(STEP_OP) STEP_OPS };
#undef STEP_OP

struct step {
    enum step_op op;
    int32_t args[STEP_ARGS];
};

/* The steps of a seed, always the same; free() them. nodes: relays in the region. */
struct step *step_generate(uint64_t seed, size_t count, unsigned nodes);

/* One line each, with a legend; and back. step_read returns NULL with a message on stderr. */
void step_print(FILE *out, const struct step *s);
void step_write(FILE *out, const struct step *list, size_t count, unsigned nodes);
struct step *step_read(FILE *in, size_t *count, unsigned *nodes);

#endif
