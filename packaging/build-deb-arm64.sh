#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make deb-arm64: builds the Debian package for arm64 on another architecture, into build/. As root: it
# works in a root file system of Debian 12 with a cross compiler, made once a week and kept below
# DERP_TESTBED_CACHE (/var/cache/derp-relay-testbed), so that this machine gets no foreign packages.
set -eu
cd "$(dirname "$0")/.."
top=$PWD arch=arm64 suite=bookworm
cache=${DERP_TESTBED_CACHE:-/var/cache/derp-relay-testbed}

die() {
    printf 'build-deb-arm64: %s\n' "$*" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || die "needs root, to make a root file system: sudo make deb-arm64"
command -v mmdebstrap >/dev/null || die "mmdebstrap is missing: sudo make deps"

# The Debian archive that this machine's apt uses.
mirror=${DERP_TESTBED_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
    grep -m1 '/debian/*$')} || die "no Debian archive in this machine's apt sources: set
    DERP_TESTBED_MIRROR to the URI of one"

# The libraries of the other architecture; everything else runs here.
native='build-essential crossbuild-essential-arm64 debhelper gettext qemu-user-static uthash-dev'
foreign='pkg-config libcurl4-openssl-dev libev-dev libinih-dev libjansson-dev libnftables-dev
    libsodium-dev libssl-dev libsystemd-dev libunbound-dev libwslay-dev zlib1g-dev'
packages=$native
for p in $foreign; do packages="$packages $p:$arch"; done

root=$cache/cross-$(echo "$suite $packages" | sha256sum | cut -c1-12)-$(($(date +%s) / 604800))
mkdir -p "$cache"
exec 9>"$cache/cross.lock"
flock 9
if [ ! -d "$root" ]; then
    echo "  ROOT    $suite with a cross compiler (some minutes, once a week)"
    rm -rf "$cache"/cross-*-* "$root.new"
    mmdebstrap --quiet --mode=root --variant=apt --architectures="$(dpkg --print-architecture),$arch" \
        --aptopt='APT::Sandbox::User "root"' --dpkgopt=force-unsafe-io \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
        --include="$(echo $packages | tr ' ' ',')" $suite "$root.new" "deb $mirror $suite main" 9>&-
    mv "$root.new" "$root"
fi

version=$(sed -n 's/^VERSION := //p' Makefile)
echo "  DEB     build/derp-relay_${version}_$arch.deb"
SOURCE_DATE_EPOCH=$(dpkg-parsechangelog -l packaging/debian/changelog -S Timestamp)
work=$root/build
rm -rf "$work"
mkdir -p "$work/src" build
trap 'rm -rf "$work"' EXIT
git ls-files -z --cached --others --exclude-standard -- \
    Makefile LICENSE CHANGES.md base derp acme dnscheck firewall installer packaging po |
    tar -c --mtime="@$SOURCE_DATE_EPOCH" --null -T - | tar -x -C "$work/src"
mv "$work/src/packaging/debian" "$work/src/debian"
chroot "$root" env -i PATH="$PATH" LC_ALL=C.UTF-8 SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" \
    DEB_BUILD_OPTIONS="parallel=$(nproc)" \
    sh -c 'cd /build/src && dpkg-buildpackage -aarm64 -b -us -uc' >build/deb-arm64.log 2>&1 9>&- ||
    { tail -n 40 build/deb-arm64.log >&2; die "the build failed; all of it is in build/deb-arm64.log"; }
# It runs: as far as this machine can tell.
mkdir "$work/out"
dpkg-deb -x "$work/derp-relay_${version}_$arch.deb" "$work/out"
for program in derpd derp-acme derp-setup; do
    chroot "$root" qemu-aarch64-static "/build/out/usr/sbin/$program" --version >/dev/null ||
        die "$program does not run"
done
mv "$work/derp-relay_${version}_$arch.deb" build/
