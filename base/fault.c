/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool fault_set(struct fault *f, const char *format, ...)
{
    if (!f)
        return false;

    /* Through a copy: the arguments may be this fault's own text. */
    char text[sizeof f->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(f->text, text, sizeof text);
    return false;
}

bool fault_errno(struct fault *f, const char *format, ...)
{
    int error = errno;
    if (!f)
        return false;

    char text[sizeof f->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);

    /* The reason matters more than the end of a long sentence before it. */
    char reason[96];
    const char *words = strerrordesc_np(error);
    if (words)
        snprintf(reason, sizeof reason, ": %s", words);
    else
        snprintf(reason, sizeof reason, ": error %d", error);
    size_t room = sizeof f->text - strlen(reason) - 1;
    snprintf(f->text, sizeof f->text, "%.*s%s", (int)room, text, reason);
    return false;
}
