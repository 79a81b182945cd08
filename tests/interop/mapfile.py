# SPDX-License-Identifier: Apache-2.0
"""What `derp-setup map` prints for a relay, for programs that read such maps: it runs in a mount
namespace with a config and a journal of its own, so it needs root."""
import json
import os
import pathlib
import subprocess

SETUP = pathlib.Path(os.environ.get("DERP_SETUP") or
                     pathlib.Path(__file__).resolve().parents[2] / "build" / "derp-setup")

# Empty folders instead of the machine's, which need not exist.
ENTER = """
set -e
mount --make-rprivate /
for d in etc var/lib; do
    mount -t tmpfs upper "/mnt" && mkdir /mnt/upper /mnt/work
    mount -t overlay map -o "lowerdir=/$d,upperdir=/mnt/upper,workdir=/mnt/work" "/$d"
done
mkdir -p /etc/derp /var/lib/derp-setup
printf %s "$CONFIG" >/etc/derp/derp.conf
printf %s "$JOURNAL" >/var/lib/derp-setup/journal.json
exec "$@"
"""


def derp_map(config, ipv4=None, ipv6=None, *flags):
    """Its standard output. config: text of derp.conf; the addresses are what setting up would have
    found out; flags: such as --format=headscale."""
    settings = {name: value for name, value in (("map4", ipv4), ("map6", ipv6)) if value}
    journal = json.dumps({"schema": 1, "settings": settings})
    done = subprocess.run(["unshare", "-m", "sh", "-c", ENTER, "sh", SETUP, "map", *flags],
                          env={**os.environ, "CONFIG": config, "JOURNAL": journal}, check=False,
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and done.stderr == "", done
    return done.stdout
