#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make install: packaging/install.sh BUILD DESTDIR PREFIX
# Programs, translations, man pages, units, completion, example; users and folders are made by systemd's sysusers
# and tmpfiles, which the package calls and `make install` into / leaves to the next boot.
set -eu
build=$1 dest=$2 prefix=$3
here=$(dirname "$0")

put() { # MODE SOURCE TARGET
    install -D -m "$1" "$2" "$dest$3"
}

for program in derpd derp-acme derp-setup; do
    put 0755 "$build/$program" "$prefix/sbin/$program"
    put 0644 "$here/completion/$program" "$prefix/share/bash-completion/completions/$program"
    put 0644 "$here/man/$program.8" "$prefix/share/man/man8/$program.8"
done
put 0644 "$here/man/derp.conf.5" "$prefix/share/man/man5/derp.conf.5"
put 0644 "$here/derp.conf.example" "$prefix/share/doc/derp-relay/examples/derp.conf"

for hook in rfc2136 cloudflare template; do
    put 0755 "$here/dns-hooks/$hook" "$prefix/share/doc/derp-relay/examples/dns-hooks/$hook"
done
put 0644 "$here/dns-hooks/README" "$prefix/share/doc/derp-relay/examples/dns-hooks/README"

for catalogue in "$build"/locale/*; do
    put 0644 "$catalogue/LC_MESSAGES/derp-relay.mo" \
        "$prefix/share/derp-relay/locale/${catalogue##*/}/LC_MESSAGES/derp-relay.mo"
done

# The units name the programs by their full path.
for unit in "$here"/systemd/*.service "$here"/systemd/*.timer; do
    put 0644 "$unit" "$prefix/lib/systemd/system/${unit##*/}"
    sed -i "s|/usr/sbin/|$prefix/sbin/|" "$dest$prefix/lib/systemd/system/${unit##*/}"
done
put 0644 "$here/systemd/derp-relay.sysusers" "$prefix/lib/sysusers.d/derp-relay.conf"
put 0644 "$here/systemd/derp-relay.tmpfiles" "$prefix/lib/tmpfiles.d/derp-relay.conf"
put 0644 "$here/ufw/derp-relay" /etc/ufw/applications.d/derp-relay
install -d -m 0755 "$dest/etc/derp"
