/* SPDX-License-Identifier: Apache-2.0 */
/* Where derp-setup keeps things. The config's own path is CONFIG_PATH of base/config.h. */
#ifndef INSTALLER_PATHS_H
#define INSTALLER_PATHS_H

#define PATH_STATE_DIR  "/var/lib/derp-setup" /* root's, 0700 */
#define PATH_JOURNAL    PATH_STATE_DIR "/journal.json"
#define PATH_LOCK       "/run/derp-setup.lock" /* gone after a reboot, like the run it guards */
#define PATH_LOG        "/var/log/derp-setup.log"
#define PATH_CONFIG_DIR "/etc/derp"
#define PATH_RELAY      "/usr/sbin/derpd"
#define PATH_SELF       "/usr/sbin/derp-setup" /* as the package installs it */

#endif
