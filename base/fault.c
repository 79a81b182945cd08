/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/translate.h"

bool fault_set(struct fault *f, const char *format, ...)
{
    if (!f)
        return false;

    /* Through a copy: the arguments may be this fault's own text. */
    char text[sizeof f->text];
    va_list args;
    va_start(args, format);
    char *shown = translate_format(format, args);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(f->text, text, sizeof text);
    translate_learn(f->text, shown);
    free(shown);
    return false;
}

/* shown NULL: nothing is translated. */
static void learn_reason(const char *english, const char *shown, const char *reason)
{
    if (!shown)
        return;
    char *words = translate_text(reason);
    char *whole = mem_printf("%s: %s", shown, words);
    translate_learn(english, whole);
    free(words);
    free(whole);
}

bool fault_errno(struct fault *f, const char *format, ...)
{
    int error = errno;
    if (!f)
        return false;

    char text[sizeof f->text];
    va_list args;
    va_start(args, format);
    char *shown = translate_format(format, args);
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
    learn_reason(f->text, shown, reason + strlen(": "));
    free(shown);
    return false;
}
