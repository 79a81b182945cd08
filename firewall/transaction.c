/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/transaction.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/run.h"
#include "firewall/kernel.h"
#include "firewall/process.h"
#include "firewall/systemd.h"
#include "firewall/ufw.h"

#define TIMEOUT_MS 60000
#define PART       64 /* bytes of a part that is a word or two */

void transaction_init(struct transaction *t, const struct firewall_options *o)
{
    const char *dir = o->state_dir ? o->state_dir : FIREWALL_STATE_DIR;
    *t = (struct transaction){.dir = file_join(dir, "fw"),
                              .marker = file_join(dir, "fw-pending"),
                              .origin = file_join(dir, "origin"),
                              .answer = file_join(dir, "fw-answer"),
                              .lock = file_join(dir, "fw.lock"),
                              .lock_fd = -1};
}

void transaction_free(struct transaction *t)
{
    if (t->lock_fd >= 0)
        close(t->lock_fd);
    free(t->dir);
    free(t->marker);
    free(t->origin);
    free(t->answer);
    free(t->lock);
    *t = (struct transaction){.lock_fd = -1};
}

bool transaction_lock(struct transaction *t, bool *busy, struct fault *f)
{
    *busy = false;
    if (t->lock_fd < 0)
        t->lock_fd = file_lock(t->lock, busy, f);
    return t->lock_fd >= 0;
}

bool transaction_pending(const struct transaction *t)
{
    return file_exists(t->marker);
}

/* --- The copy ------------------------------------------------------------------------------------
 */

static bool copy(const char *from, const char *to, struct fault *f)
{
    const char *const argv[] = {"cp", "-a", "--", from, to, NULL};
    return run_checked(argv, TIMEOUT_MS, f);
}

static bool drop_copy(const struct transaction *t, struct fault *f)
{
    const char *const argv[] = {"rm", "-rf", "--", t->dir, NULL};
    return run_checked(argv, TIMEOUT_MS, f);
}

/* Everything written so far below path is on the disk when this returns. */
static bool make_durable(const char *path, struct fault *f)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fault_errno(f, "cannot open %s", path);
    bool ok = syncfs(fd) == 0 || fault_errno(f, "cannot write %s to disk", path);
    close(fd);
    return ok;
}

static bool copy_part(const struct transaction *t, const char *from, const char *name,
                      struct fault *f)
{
    char *to = file_join(t->dir, name);
    bool ok = copy(from, to, f);
    free(to);
    return ok;
}

static bool write_part(const struct transaction *t, const char *name, const char *text,
                       struct fault *f)
{
    char *path = file_join(t->dir, name);
    bool ok = file_write(path, text, strlen(text), 0600, f);
    free(path);
    return ok;
}

static bool write_marker(const struct transaction *t, const struct marker *m, struct fault *f)
{
    char *text = marker_print(m);
    bool ok = file_write(t->marker, text, strlen(text), 0600, f);
    free(text);
    return ok;
}

/* Whoever is at work is this process. */
static void sign(struct marker *m)
{
    struct process self;
    process_boot(m->boot);
    if (process_read(getpid(), &self)) {
        m->pid = self.pid;
        m->started = self.started;
    }
}

static bool write_forward(const struct transaction *t, const struct firewall_facts *facts,
                          struct fault *f)
{
    char text[32] = "";
    for (int family = 0; family < FAMILIES; family++) {
        if (ufw_found_forward_closed(&facts->kernel[family]))
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s\n",
                     family_name((enum family)family));
    }
    return write_part(t, "forward", text, f);
}

bool transaction_begin(const struct transaction *t, const struct firewall_state *state,
                       bool wants_login, struct fault *f)
{
    struct marker m = {.wants_login = wants_login};
    sign(&m);
    return file_remove(t->answer, f) && drop_copy(t, f) && file_mkdir(t->dir, 0700, f) &&
           copy_part(t, UFW_FOLDER, "ufw", f) && copy_part(t, UFW_DEFAULTS, "default", f) &&
           write_part(t, "active", state->ufw_active ? "yes\n" : "no\n", f) &&
           write_part(t, "boot", systemd_disabled(UFW_UNIT) ? "no\n" : "\n", f) &&
           write_forward(t, state->facts, f) && make_durable(t->dir, f) && write_marker(t, &m, f);
}

bool transaction_marker(const struct transaction *t, struct marker *m)
{
    char boot[PROCESS_BOOT];
    struct buf b;
    *m = (struct marker){0};
    buf_init(&b, 4096);
    bool found = file_read(t->marker, &b, NULL);
    if (found)
        marker_parse(buf_text(&b), m);
    buf_free(&b);
    process_boot(boot);
    if (strcmp(boot, m->boot) != 0) /* the numbers are of an earlier boot */
        m->pid = 0, m->since = 0, m->restoring = false;
    return found;
}

bool transaction_wait(const struct transaction *t, uint64_t since, struct fault *f)
{
    struct marker m;
    if (!transaction_marker(t, &m))
        return fault_set(f, "the change was undone meanwhile");
    m.since = since;
    return write_marker(t, &m, f);
}

static const char *const answers[] = {"", "confirm\n", "undo\n"};

bool transaction_say(const struct transaction *t, enum transaction_answer answer, struct fault *f)
{
    return file_write(t->answer, answers[answer], strlen(answers[answer]), 0600, f);
}

enum transaction_answer transaction_hear(const struct transaction *t)
{
    struct buf b;
    enum transaction_answer answer = ANSWER_NONE;
    buf_init(&b, 64);
    if (file_exists(t->answer) && file_read(t->answer, &b, NULL))
        answer = strcmp(buf_text(&b), answers[ANSWER_CONFIRM]) == 0 ? ANSWER_CONFIRM : ANSWER_UNDO;
    buf_free(&b);
    if (answer != ANSWER_NONE)
        file_remove(t->answer, NULL);
    return answer;
}

bool transaction_forget(const struct transaction *t, struct fault *f)
{
    return file_remove(t->marker, f) && drop_copy(t, f);
}

/* ufw does not wait for the disk. Without the marker its files are the truth, so after a power loss
 * they must not be empty: an active ufw without its rules would keep everybody out. */
bool transaction_commit(const struct transaction *t, struct fault *f)
{
    if (!make_durable(UFW_FOLDER, f) || !make_durable("/etc/default", f) ||
        !file_remove(t->marker, f))
        return false;
    return (!file_exists(t->origin) && rename(t->dir, t->origin) == 0) || drop_copy(t, f);
}

/* --- Restoring
 * ------------------------------------------------------------------------------------- */

/* Over what is there or, should something be in the way (a folder with the name of a file),
 * instead of it. */
static bool put_back(const char *from, const char *to, const char *const clear[], struct fault *f)
{
    const char *const over[] = {"cp", "-aT", "--", from, to, NULL};
    return run_checked(over, TIMEOUT_MS, NULL) ||
           (run_checked(clear, TIMEOUT_MS, f) && run_checked(over, TIMEOUT_MS, f));
}

static bool restore_files(const struct transaction *t, struct fault *f)
{
    char *rules = file_join(t->dir, "ufw"), *defaults = file_join(t->dir, "default");
    static const char *const empty[] = {"find", UFW_FOLDER, "-mindepth", "1", "-delete", NULL};
    static const char *const clear[] = {"rm", "-rf", "--", UFW_DEFAULTS, NULL};
    bool ok = put_back(rules, UFW_FOLDER, empty, f) && put_back(defaults, UFW_DEFAULTS, clear, f) &&
              make_durable(UFW_FOLDER, f) && make_durable("/etc/default", f);
    free(rules);
    free(defaults);
    return ok;
}

static bool read_part(const struct transaction *t, const char *name, char text[static PART],
                      struct fault *f)
{
    struct buf b;
    char *path = file_join(t->dir, name);
    buf_init(&b, PART - 1);
    bool ok = file_read(path, &b, f);
    snprintf(text, PART, "%s", ok ? buf_text(&b) : "");
    buf_free(&b);
    free(path);
    return ok;
}

/* ufw opens FORWARD when it stops, also where somebody else had closed it: Docker, say. In a later
 * boot that is theirs to do again. */
static bool restore_forward(const struct transaction *t, struct fault *f)
{
    char text[PART];
    struct marker m;
    bool ok = true;
    if (!read_part(t, "forward", text, NULL) || !transaction_marker(t, &m) || m.pid == 0)
        return true;
    for (int family = 0; family < FAMILIES; family++)
        if (strstr(text, family_name((enum family)family)))
            ok = ufw_kernel_close_forward((enum family)family, f) && ok;
    return ok;
}

static bool restore_off(const struct transaction *t, struct fault *f)
{
    return (ufw_kernel_loaded(true) == UFW_LOADED_NONE || ufw_kernel_stop(f)) &&
           restore_forward(t, f);
}

/* Former files that say ENABLED=yes were not at work as long as the unit was disabled. */
static bool restore_unit(const struct transaction *t, bool active, struct fault *f)
{
    char text[PART];
    return !read_part(t, "boot", text, NULL) || strcmp(text, "no\n") != 0 ||
           !systemd_enabled(UFW_UNIT) || systemd_disable(UFW_UNIT, !active, f);
}

/* Does the kernel's policy of a chain differ from what ufw's files say? */
static bool policy_differs(const struct rules *table, const char *name, enum ufw_policy wanted)
{
    const struct rules_chain *chain = rules_chain(table, name);
    bool open = chain && chain->policy == RULES_ACCEPT;
    return open != (wanted == UFW_POLICY_ALLOW);
}

static bool load_in_place(const struct ufw_facts *settings)
{
    struct rules table = {0};
    struct buf b;
    buf_init(&b, RULES_MAX_TEXT);
    bool ok = ufw_kernel_load(settings->ipv6, NULL) && kernel_list(FAMILY_IP4, &b, NULL) &&
              rules_parse(buf_text(&b), &table, NULL) &&
              !policy_differs(&table, "INPUT", settings->incoming) &&
              !policy_differs(&table, "OUTPUT", settings->outgoing);
    rules_free(&table);
    buf_free(&b);
    return ok;
}

/*
 * The user's rules go back in place without a gap; only other policies need a restart, and what a
 * start or stop that was killed has left. At boot there is nothing of ufw's in the kernel yet, and
 * rules alone would have no chains to hang from.
 */
static bool restore_active(struct fault *f)
{
    struct ufw_facts settings = {0};
    if (!ufw_read_settings(&settings, f))
        return false;
    enum ufw_loaded loaded = ufw_kernel_loaded(settings.ipv6);
    if (loaded == UFW_LOADED_NONE)
        return ufw_kernel_start(f);
    return (loaded == UFW_LOADED_WHOLE && load_in_place(&settings)) || ufw_kernel_restart(f);
}

/* Who finds the lock taken can then tell this from a run that hangs. Nothing depends on it: the
 * disk may be full. At boot there is nobody to be told. */
static void note_restoring(const struct transaction *t)
{
    struct marker m;
    if (!transaction_marker(t, &m) || m.pid == 0)
        return;
    sign(&m);
    m.restoring = true;
    write_marker(t, &m, NULL);
}

/*
 * A ufw that was off had open policies (foreign_rules). They come first: that needs no disk, is
 * over at once, and from then on nobody is locked out, wherever the rest is cut off.
 */
bool transaction_restore(const struct transaction *t, struct fault *f)
{
    char text[PART];
    if (!read_part(t, "active", text, f))
        return false;
    bool active = strcmp(text, "yes\n") == 0;
    bool opened = active || ufw_kernel_open(f);
    note_restoring(t);
    bool ok = restore_files(t, opened ? f : NULL) && opened;
    ok = restore_unit(t, active, ok ? f : NULL) && ok;
    if (active)
        ok = ok && restore_active(f);
    else
        ok = restore_off(t, ok ? f : NULL) && ok;
    return ok && transaction_forget(t, f);
}
