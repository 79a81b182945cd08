/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/language.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/translate.h"

static const char *first_of(const char *a, const char *b, const char *c)
{
    return a && *a ? a : b && *b ? b : c && *c ? c : "";
}

/* One locale, or one word of LANGUAGE, of n bytes. *known: it is one of ours, English included. */
static const char *catalogue_of(const char *name, size_t n, bool *known)
{
    static const char *const simplified[] = {"zh", "zh_CN", "zh_SG", "zh_Hans", "zh_Hans_CN"};
    size_t len = 0;
    while (len < n && name[len] != '.' && name[len] != '@')
        len++;
    *known = true;
    for (size_t i = 0; i < sizeof simplified / sizeof *simplified; i++)
        if (strlen(simplified[i]) == len && memcmp(simplified[i], name, len) == 0)
            return "zh_CN";
    *known = (len == 1 && name[0] == 'C') || (len == 2 && memcmp(name, "en", 2) == 0) ||
             (len > 3 && memcmp(name, "en_", 3) == 0);
    return NULL;
}

const char *language_choose(const struct language_wish *wish)
{
    const char *locale = first_of(wish->lc_all, wish->lc_messages, wish->lang);
    bool known;
    if (!*locale || strcmp(locale, "C") == 0 || strcmp(locale, "POSIX") == 0)
        return NULL;
    for (const char *word = wish->language ? wish->language : ""; *word;) {
        size_t n = strcspn(word, ":");
        const char *found = catalogue_of(word, n, &known);
        if (known)
            return found;
        word += n + (word[n] == ':');
    }
    return catalogue_of(locale, strlen(locale), &known);
}

bool language_is_utf8(const char *locale)
{
    const char *dot = strchr(locale, '.');
    const char *codeset = dot ? dot + 1 : locale;
    size_t n = strcspn(codeset, "@");
    return (n == 5 && strncasecmp(codeset, "UTF-8", n) == 0) ||
           (n == 4 && strncasecmp(codeset, "utf8", n) == 0);
}

/* Beside the program where it was built, or where the package puts both: no variable of the
 * environment says where a program of root's reads. */
static void open_catalogue(const char *language)
{
    static const char *const folders[] = {"locale", "../share/derp-relay/locale"};
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self);
    const char *slash = n > 0 ? memrchr(self, '/', (size_t)n) : NULL;
    bool opened = false;
    for (size_t i = 0; slash && !opened && i < sizeof folders / sizeof *folders; i++) {
        char *folder = mem_printf("%.*s/%s", (int)(slash - self), self, folders[i]);
        opened = translate_open(folder, language);
        free(folder);
    }
}

void language_start(void)
{
    struct language_wish wish = {.lc_all = getenv("LC_ALL"),
                                 .lc_messages = getenv("LC_MESSAGES"),
                                 .lang = getenv("LANG"),
                                 .language = getenv("LANGUAGE")};
    if (!setlocale(LC_CTYPE, "") &&
        language_is_utf8(first_of(wish.lc_all, getenv("LC_CTYPE"), wish.lang)))
        setlocale(LC_CTYPE, "C.UTF-8");
    const char *language = language_choose(&wish);
    if (language && strcmp(nl_langinfo(CODESET), "UTF-8") == 0)
        open_catalogue(language);
}
