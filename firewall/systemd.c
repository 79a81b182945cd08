/* SPDX-License-Identifier: Apache-2.0 */
#include "firewall/systemd.h"

#include <string.h>

#include "base/file.h"
#include "base/run.h"
#include "base/text.h"

#define TIMEOUT_MS        10000
#define CHANGE_TIMEOUT_MS 30000 /* it reads all units anew */

bool systemd_runs(void)
{
    return file_exists("/run/systemd/system");
}

bool systemd_show(const char *unit, struct buf *b)
{
    const char *const argv[] = {"systemctl", "show",   "-p", "ActiveState", "-p", "UnitFileState",
                                "-p",        "Listen", "--", unit,          NULL};
    struct run_options opt = {.timeout_ms = TIMEOUT_MS};
    struct run_result r = {0};
    buf_free(b);
    bool ok = systemd_runs() && run(argv, &opt, &r, NULL) && run_ok(&r) &&
              buf_append(b, r.out.data ? (const char *)r.out.data : "", r.out.len);
    run_free(&r);
    return ok;
}

static bool has_line(const char *unit, const char *begins)
{
    struct buf b;
    bool found = false;
    buf_init(&b, 64U << 10);
    if (systemd_show(unit, &b)) {
        for (const char *line = buf_text(&b); line; line = strchr(line, '\n')) {
            line += *line == '\n';
            found = found || text_starts(line, begins);
        }
    }
    buf_free(&b);
    return found;
}

bool systemd_active(const char *unit)
{
    return has_line(unit, "ActiveState=active");
}

bool systemd_enabled(const char *unit)
{
    return has_line(unit, "UnitFileState=enabled");
}

bool systemd_disabled(const char *unit)
{
    return has_line(unit, "UnitFileState=disabled");
}

bool systemd_disable(const char *unit, bool stop, struct fault *f)
{
    const char *const only[] = {"systemctl", "disable", "--", unit, NULL};
    const char *const both[] = {"systemctl", "disable", "--now", "--no-block", "--", unit, NULL};
    return run_checked(stop ? both : only, CHANGE_TIMEOUT_MS, f);
}
