/* SPDX-License-Identifier: Apache-2.0 */
#include "base/translate.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/catalogue.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/refill.h"

#define FILE_MAX   (4U << 20)
#define TEXT_MAX   (1U << 20)
#define LEARNT_MAX 512

struct learnt {
    uint64_t hash; /* of english */
    char *english, *shown;
};

static struct {
    bool on;
    struct buf file;
    struct catalogue catalogue;
    pthread_mutex_t lock; /* guards what follows: doctor's threads all find words */
    struct learnt learnt[LEARNT_MAX];
    size_t next; /* the oldest */
} words = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool translate_open(const char *folder, const char *language)
{
    char *path = mem_printf("%s/%s/LC_MESSAGES/derp-relay.mo", folder, language);
    translate_close();
    buf_init(&words.file, FILE_MAX);
    words.on = file_read(path, &words.file, NULL) &&
               catalogue_open(&words.catalogue, words.file.data, words.file.len);
    if (!words.on)
        buf_free(&words.file);
    free(path);
    return words.on;
}

void translate_close(void)
{
    words.on = false;
    buf_free(&words.file);
    for (size_t i = 0; i < LEARNT_MAX; i++) {
        free(words.learnt[i].english);
        free(words.learnt[i].shown);
        words.learnt[i] = (struct learnt){0};
    }
}

/* --- Memory --------------------------------------------------------------------------------------
 */

/* FNV-1a. */
static uint64_t hash_of(const char *s)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (; *s; s++)
        hash = (hash ^ (unsigned char)*s) * 0x100000001b3U;
    return hash;
}

/* Under the lock. */
static struct learnt *find(const char *english, uint64_t hash)
{
    for (size_t i = 0; i < LEARNT_MAX; i++) {
        struct learnt *one = &words.learnt[i];
        if (one->hash == hash && one->english && strcmp(one->english, english) == 0)
            return one;
    }
    return NULL;
}

/* A copy, or NULL. */
static char *recall(const char *english)
{
    uint64_t hash = hash_of(english);
    pthread_mutex_lock(&words.lock);
    const struct learnt *one = find(english, hash);
    char *shown = one ? mem_strdup(one->shown) : NULL;
    pthread_mutex_unlock(&words.lock);
    return shown;
}

void translate_learn(const char *english, const char *shown)
{
    if (!words.on || !shown || strcmp(english, shown) == 0)
        return;
    uint64_t hash = hash_of(english);
    pthread_mutex_lock(&words.lock);
    struct learnt *one = find(english, hash);
    if (!one) {
        one = &words.learnt[words.next];
        words.next = (words.next + 1) % LEARNT_MAX;
        free(one->english);
        one->english = mem_strdup(english);
        one->hash = hash;
    }
    free(one->shown);
    one->shown = mem_strdup(shown);
    pthread_mutex_unlock(&words.lock);
}

/* --- Texts ---------------------------------------------------------------------------------------
 */

char *translate_text(const char *text)
{
    if (!words.on)
        return mem_strdup(text);
    char *shown = recall(text);
    if (shown)
        return shown;
    const char *found = catalogue_get(&words.catalogue, NULL, text);
    return mem_strdup(found ? found : text);
}

/*
 * An argument of a sentence. One word alone may be a name, of a section of the config, say: it is
 * translated only where the catalogue has it for this sentence.
 */
static char *exchange(void *arg, const char *text)
{
    const char *found = NULL;
    char *shown = recall(text);
    if (shown)
        return shown;
    if (strchr(text, ' '))
        found = catalogue_get(&words.catalogue, NULL, text);
    else
        found = catalogue_get(&words.catalogue, arg, text);
    return found ? mem_strdup(found) : NULL;
}

char *translate_format(const char *format, va_list args)
{
    struct refill r;
    struct buf out;
    char *shown = NULL, *context = (char *)format;
    if (!words.on || !refill_take(&r, format, args))
        return NULL;
    const char *found = catalogue_get(&words.catalogue, NULL, format);
    buf_init(&out, TEXT_MAX);
    if (refill_fill(&r, found ? found : format, exchange, context, &out))
        shown = mem_strdup(buf_text(&out));
    buf_free(&out);
    return shown;
}

/* --- Parts of sentences --------------------------------------------------------------------------
 */

void translate_print(char *text, size_t cap, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    /* The arguments may lie in text. */
    char *shown = translate_format(format, args), *english = mem_vprintf(format, args);
    va_end(args);
    snprintf(text, cap, "%s", english);
    translate_learn(text, shown);
    free(english);
    free(shown);
}

/* What before became is followed by what was appended to it. */
static void learn_longer(const char *before, const char *text, const char *shown)
{
    if (!shown)
        return;
    char *start = recall(before);
    char *whole = mem_printf("%s%s", start ? start : before, shown);
    translate_learn(text, whole);
    free(start);
    free(whole);
}

void translate_append(char *text, size_t cap, const char *format, ...)
{
    va_list args;
    size_t used = strlen(text);
    va_start(args, format);
    char *before = words.on ? mem_strdup(text) : NULL;
    char *shown = translate_format(format, args), *english = mem_vprintf(format, args);
    va_end(args);
    snprintf(text + used, cap - used, "%s", english);
    learn_longer(before, text, shown);
    free(before);
    free(english);
    free(shown);
}

char *translate_new(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *shown = translate_format(format, args), *english = mem_vprintf(format, args);
    va_end(args);
    translate_learn(english, shown);
    free(shown);
    return english;
}

void translate_buf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *before = words.on ? mem_strdup(buf_text(b)) : NULL;
    char *shown = translate_format(format, args), *english = mem_vprintf(format, args);
    va_end(args);
    buf_puts(b, english);
    learn_longer(before, buf_text(b), shown);
    free(before);
    free(english);
    free(shown);
}
