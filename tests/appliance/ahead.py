#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes what the appliance tests need and takes long: the package and its former one, root file
systems, the talking clients. tests/check.py runs it while other tests wait; without it the tests make
it themselves."""

import pathlib
import subprocess
import sys

from testbed import clients, former, rootfs
from testbed.shell import Failed

TOP = pathlib.Path(__file__).resolve().parents[2]


def main():
    makers = [lambda: subprocess.run(["make", "-C", TOP, "deb"], check=True),
              lambda: former.build(TOP), clients.talker]
    makers += [lambda suite=suite: rootfs.get(suite, print) for suite in rootfs.SUITES]
    for make in makers:
        try:
            make()
        except (Failed, former.Unavailable, OSError, subprocess.CalledProcessError) as e:
            print(e, file=sys.stderr)


if __name__ == "__main__":
    main()
