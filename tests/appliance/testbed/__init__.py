# SPDX-License-Identifier: Apache-2.0
"""A private internet in network namespaces with a booted systemd server in it.

Root is needed, nothing but the standard library is used, and nothing of the machine itself is
changed: names live in namespaces, files below /run/derp-testbed and in the cache of root file
systems. Start reading at world.py.
"""
