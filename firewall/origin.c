/* SPDX-License-Identifier: Apache-2.0 */
/* What is left when every change was undone: nothing. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/run.h"
#include "firewall/timer.h"
#include "firewall/transaction.h"
#include "firewall/ufw.h"

#define TIMEOUT_MS 60000
#define MAX_FILE   (4U << 20)

static bool read_both(const char *a, const char *b, struct buf both[2])
{
    buf_init(&both[0], MAX_FILE);
    buf_init(&both[1], MAX_FILE);
    return file_read(a, &both[0], NULL) && file_read(b, &both[1], NULL);
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static bool compare(const char *folder, const char *name, const char *path,
                    bool (*same)(const char *, const char *))
{
    struct buf both[2];
    char *kept = file_join(folder, name);
    bool equal = read_both(kept, path, both) && same(buf_text(&both[0]), buf_text(&both[1]));
    buf_free(&both[0]);
    buf_free(&both[1]);
    free(kept);
    return equal;
}

/*
 * ufw has written the files of its rules anew. Where they have the same rules as at first, under
 * the same settings, the owner gets his bytes back; a file that says something else is newer.
 */
static void put_back(const char *origin)
{
    static const char *const names[] = {"ufw/user.rules", "ufw/user6.rules"};
    static const char *const paths[] = {UFW_FOLDER "/user.rules", UFW_FOLDER "/user6.rules"};
    if (!compare(origin, "default", UFW_DEFAULTS, same_text) ||
        !compare(origin, "ufw/ufw.conf", UFW_FOLDER "/ufw.conf", same_text))
        return;
    for (size_t i = 0; i < 2; i++) {
        char *kept = file_join(origin, names[i]);
        const char *const argv[] = {"cp", "-aT", "--", kept, paths[i], NULL};
        if (compare(origin, names[i], paths[i], ufw_same_rules))
            run_checked(argv, TIMEOUT_MS, NULL);
        free(kept);
    }
}

void firewall_forget(const struct firewall_options *o)
{
    struct transaction t;
    transaction_init(&t, o);
    const char *const argv[] = {"rm", "-rf", "--", t.origin, t.dir, t.answer, t.lock, NULL};
    if (!transaction_pending(&t)) {
        timer_disarm(); /* of a run that was killed before its marker */
        put_back(t.origin);
        run_checked(argv, TIMEOUT_MS, NULL);
    }
    transaction_free(&t);
}
