/* SPDX-License-Identifier: Apache-2.0 */
/* How big the world of the model test is. */
#ifndef TESTS_MODEL_LIMITS_H
#define TESTS_MODEL_LIMITS_H

#define NODES_MAX 3
#define SLOTS     14 /* connections at a time */
#define KEYS      12 /* of clients; packets may also be for keys up to KEYS_ALL, which nobody has */
#define KEYS_ALL  15

#endif
