/* SPDX-License-Identifier: Apache-2.0 */
#include "base/config_words.h"

#include <string.h>

#include "base/text.h"

bool config_bad_value(struct fault *f, const char *expected, const char *value)
{
    char shown[CONFIG_SHOWN];
    text_printable(value, strlen(value), shown, sizeof shown);
    return fault_set(f, "expected %s, found \"%s\"", expected, shown);
}

char *config_next_word(char **rest)
{
    char *word = *rest + strspn(*rest, " \t");
    if (*word == '\0')
        return NULL;
    char *end = word + strcspn(word, " \t");
    *rest = *end ? end + 1 : end;
    *end = '\0';
    return word;
}

bool config_url_is_sound(const char *url, const char *scheme)
{
    for (const char *p = url; *p; p++) {
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f || strchr("\"<>\\^`{|}", *p))
            return false;
    }
    return text_starts(url, scheme) && url[strlen(scheme)] != '\0' && url[strlen(scheme)] != '/';
}
