/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reason in words. Functions that can fail for reasons a person must read
 * return bool and fill a struct fault; the caller decides where it is shown.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdbool.h>

/* The text is always terminated; longer texts are cut. */
struct fault {
    char text[512];
};

/*
 * The text is English. What it is in the reader's language is remembered, for when it becomes an
 * argument of what is shown (base/translate.h).
 *
 * Stores a formatted reason in f (ignored when f is NULL).
 * Always returns false, so that "return fault_set(f, ...)" reads as failure.
 */
bool fault_set(struct fault *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Like fault_set, and appends ": " and the text of errno as it was on entry. */
bool fault_errno(struct fault *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
