/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/choose.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "installer/ask.h"
#include "installer/clients.h"
#include "installer/stop.h"
#include "installer/values.h"

#define UNIT_MAX (64 * 1024)
#define TRIES    3

static const char *const unit_folders[] = {"/etc/systemd/system/*.service",
                                           "/lib/systemd/system/*.service"};

/* --- What can be found out -----------------------------------------------------------------------
 */

/* The next word of a command line, quotes taken off; NULL at its end. */
static const char *next_word(const char *at, char *word, size_t cap)
{
    size_t n = 0;
    at += strspn(at, " \t");
    if (*at == '\0' || *at == '\n')
        return NULL;
    char quote = *at == '"' || *at == '\'' ? *at++ : '\0';
    for (; *at && *at != '\n' && (quote ? *at != quote : *at != ' ' && *at != '\t'); at++)
        if (n + 1 < cap)
            word[n++] = *at;
    word[n] = '\0';
    return at + (quote && *at == quote);
}

/* true for "-name" and "--name"; *value: what follows "=", or NULL. */
static bool is_flag(const char *word, const char *name, const char **value)
{
    size_t n = strlen(name);
    const char *start = word + (word[0] == '-') + (word[0] == '-' && word[1] == '-');
    *value = NULL;
    if (start == word || strncmp(start, name, n) != 0 || (start[n] != '\0' && start[n] != '='))
        return false;
    if (start[n] == '=')
        *value = start + n + 1;
    return true;
}

/* The arguments of one derper. */
static bool read_arguments(const char *at, char value[static CHOOSE_VALUE])
{
    char word[CHOOSE_VALUE - 8];
    const char *given;
    bool local = false;
    while ((at = next_word(at, word, sizeof word))) {
        if (is_flag(word, "verify-client-url", &given)) {
            if (!given && !(at = next_word(at, word, sizeof word)))
                break;
            snprintf(value, CHOOSE_VALUE, "url:%s", given ? given : word);
            return true;
        }
        local |= is_flag(word, "verify-clients", &given) && (!given || strcmp(given, "false") != 0);
    }
    if (local)
        snprintf(value, CHOOSE_VALUE, "tailscaled");
    return local;
}

bool choose_of_derper(const char *unit, char value[static CHOOSE_VALUE])
{
    char word[CHOOSE_VALUE];
    for (const char *line = unit; *line; line += *line != '\0') {
        if (text_starts(line, "ExecStart=")) {
            const char *at = next_word(line + strlen("ExecStart="), word, sizeof word);
            if (at && (text_ends(word, "/derper") || strcmp(word, "derper") == 0) &&
                read_arguments(at, value))
                return true;
        }
        line += strcspn(line, "\n");
    }
    return false;
}

static bool find_derper(char value[static CHOOSE_VALUE])
{
    bool found = false;
    struct buf text;
    glob_t files = {0};
    for (size_t i = 0; i < 2; i++)
        glob(unit_folders[i], i ? GLOB_APPEND : 0, NULL, &files);
    buf_init(&text, UNIT_MAX);
    for (size_t i = 0; !found && i < files.gl_pathc; i++)
        found =
            file_read(files.gl_pathv[i], &text, NULL) && choose_of_derper(buf_text(&text), value);
    buf_free(&text);
    globfree(&files);
    return found;
}

static bool find_clients(struct setup *s)
{
    struct options none = {0};
    struct fault f;
    if (find_derper(s->clients) && take_clients(s->clients, &none, &f)) {
        s->answers.clients = s->clients;
        report_found(&s->report, SEVERITY_OK, "clients.found", NULL,
                     "those may use it that the derper on this server admits (%s)", s->clients);
    } else if (clients_has_tailscaled()) {
        s->answers.clients = "tailscaled";
        report_found(&s->report, SEVERITY_OK, "clients.found", NULL,
                     "the tailnet of the tailscaled on this server may use it "
                     "(--clients=anyone: everybody)");
    }
    return s->answers.clients != NULL;
}

/* --- What is asked -------------------------------------------------------------------------------
 */

static enum setup_exit unanswered(struct setup *s, const char *flag)
{
    if (stop_wanted())
        return EXIT_INTERRUPTED;
    report_found(&s->report, SEVERITY_FAIL, "usage.answer", flag, "a question was not answered");
    return EXIT_USAGE;
}

/* Asks until the answer makes sense. take says whether it does. */
static bool ask_value(struct setup *s, const char *question, const char *prefix,
                      bool (*take)(const char *, struct options *, struct fault *), char *value)
{
    char line[CHOOSE_VALUE - 8];
    for (int i = 0; i < TRIES; i++) {
        struct options none = {0};
        struct fault f;
        if (!ask_line(&s->report, question, line, sizeof line) || !*line)
            return false;
        snprintf(value, CHOOSE_VALUE, "%s%s", text_starts(line, prefix) ? "" : prefix, line);
        if (take(value, &none, &f))
            return true;
        report_always(&s->report, "That is %s.", f.text);
    }
    return false;
}

static bool take_choice(struct setup *s, char choice)
{
    bool fine = true;
    switch (choice) {
    case '1':
        snprintf(s->clients, sizeof s->clients, "tailscaled");
        break;
    case '2':
        fine = ask_value(s, "Its URL (headscale: https://NAME/verify):", "url:", take_clients,
                         s->clients);
        break;
    case '3':
        fine = ask_value(s, "Path of the file, one node key a line:", "keys:", take_clients,
                         s->clients);
        break;
    default:
        snprintf(s->clients, sizeof s->clients, "anyone");
    }
    return fine;
}

static enum setup_exit ask_clients(struct setup *s)
{
    char line[16];
    report_title(&s->report, "Who may use this relay?");
    report_always(&s->report, "  1  my tailnet: a tailscaled on this server knows who is of it "
                              "(there is none yet)");
    report_always(&s->report, "  2  whoever a server of mine admits, such as headscale");
    report_always(&s->report, "  3  whose node key stands in a file");
    report_always(&s->report, "  4  anyone on the internet who learns its name, with all of its "
                              "bandwidth");
    for (int i = 0; i < TRIES; i++) {
        if (!ask_line(&s->report, "Which one? [1-4]", line, sizeof line) || !*line)
            break;
        if (line[1] != '\0' || line[0] < '1' || line[0] > '4')
            continue;
        if (!take_choice(s, line[0]))
            break;
        s->answers.clients = s->clients;
        return EXIT_DONE;
    }
    return unanswered(s, "--clients=anyone, tailscaled, url:… or keys:… answers it beforehand");
}

/* Enter means no limit. */
static enum setup_exit ask_uplink(struct setup *s)
{
    char value[CHOOSE_VALUE] = "";
    report_title(&s->report, "How fast is this server's line to the internet, as purchased?");
    report_always(&s->report,
                  "  The relay then stays a little below it. Packets wait in the relay, "
                  "small ones first, instead of in the provider's queue, where a "
                  "keystroke waits behind every download.");
    if (ask_value(s, "Such as 4mbit; Enter: no limit", "", take_uplink, value)) {
        snprintf(s->uplink, sizeof s->uplink, "%s", value);
        s->answers.uplink = s->uplink;
    } else if (*value || stop_wanted()) {
        return unanswered(s, "--uplink=RATE or --uplink=off answers it beforehand");
    }
    return EXIT_DONE;
}

enum setup_exit choose_missing(struct setup *s)
{
    bool asks = !s->opt->yes && !s->opt->dry_run && ask_is_possible(s->opt);
    enum setup_exit code = EXIT_DONE;
    if (file_exists(CONFIG_PATH)) /* it was decided then */
        return EXIT_DONE;
    s->answers = *s->opt;
    s->opt = &s->answers;
    if (!s->answers.clients && !find_clients(s) && asks)
        code = ask_clients(s);
    if (code == EXIT_DONE && !s->answers.uplink && asks)
        code = ask_uplink(s);
    return code;
}
