#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make deb: builds the Debian package into build/, as any user, from a copy of the sources.
# Skipped when the package there was made from the same sources.
#
# With --check-bounds FILE.deb: only sees whether Ubuntu 24.04 can satisfy what that package depends on.
set -eu
cd "$(dirname "$0")/.."
top=$PWD out=$PWD/build/deb

die() {
    printf 'build-deb: %s\n' "$*" >&2
    exit 1
}

# Newest version of each library that a dependency may ask for: what Ubuntu 24.04 has.
bounds='libc6 2.39 libcurl4 8.5.0 libev4 1:4.33 libinih1 55 libjansson4 2.14 libnftables1 1.0.9
    libsodium23 1.0.18 libssl3 3.0.13 libsystemd0 255.4 libunbound8 1.19.2 libwslay1 1.1.1
    zlib1g 1:1.3 systemd 255.4'

# What the package is built from; without git (a source archive) whatever is there.
sources() {
    if git rev-parse --git-dir >/dev/null 2>&1; then
        git ls-files --cached --others --exclude-standard -- \
            Makefile LICENSE CHANGES.md base derp acme dnscheck firewall installer packaging po
    else
        find Makefile LICENSE CHANGES.md base derp acme dnscheck firewall installer packaging po -type f
    fi | while read -r file; do
        [ ! -f "$file" ] || printf '%s\n' "$file"
    done | LC_ALL=C sort
}

check_version() {
    want=$(sed -n 's/^VERSION := //p' Makefile)
    have=$(sed -n '1s/.*(\(.*\)).*/\1/p' packaging/debian/changelog)
    [ "$want" = "$have" ] || die "version $want in the Makefile, $have in packaging/debian/changelog"
}

# Packages for others are built on Debian 12; elsewhere the result may be for that release only.
too_new() {
    if grep -qx 'VERSION_CODENAME=bookworm' /etc/os-release; then
        die "$*"
    fi
    echo "  note: $*" >&2
}

check_bounds() { # DEB
    depends=$(dpkg-deb -f "$1" Depends | tr ',' '\n' |
        sed -n 's/^ *\([^ ]*\) (>= \(.*\))$/\1 \2/p')
    while read -r package version; do
        [ -n "$package" ] || continue
        newest=$(echo $bounds | tr ' ' '\n' | sed -n "/^${package%t64}\$/{n;p;}")
        if [ -z "$newest" ]; then
            too_new "$package: no upper bound is known; add it to packaging/build-deb.sh"
        elif dpkg --compare-versions "$version" gt "$newest"; then
            too_new "needs $package >= $version, but Ubuntu 24.04 has $newest; an override in
    packaging/debian/shlibs.local may help"
        fi
    done <<END
$depends
END
}

check_lintian() { # CHANGES
    command -v lintian >/dev/null || { echo "  lintian is not installed: not checked"; return 0; }
    if ! lintian --no-cfg --allow-root --fail-on error \
        "$1" >lintian.log 2>&1; then
        cat lintian.log >&2
        die "lintian has found errors"
    fi
}

if [ "${1-}" = --check-bounds ]; then
    check_bounds "$2"
    exit
fi
command -v dpkg-buildpackage >/dev/null && command -v dh >/dev/null ||
    die "dpkg-buildpackage or debhelper is missing: sudo make deps"
check_version
mkdir -p "$out"
exec 9>"$out/lock"
flock 9

stamp=$(sources | xargs sha256sum | sha256sum)
arch=$(dpkg --print-architecture)
deb=build/derp-relay_$(sed -n 's/^VERSION := //p' Makefile)_$arch.deb
if [ -f "$deb" ] && [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then
    echo "  DEB     $deb (unchanged)"
    exit 0
fi
echo "  DEB     $deb"

rm -rf "$out/src" "$out/stamp" "$out"/derp-relay*
mkdir "$out/src"
# The same sources give the same package: all times in it are the changelog's.
SOURCE_DATE_EPOCH=$(dpkg-parsechangelog -l packaging/debian/changelog -S Timestamp)
sources | tar -c --mtime="@$SOURCE_DATE_EPOCH" -T - | tar -x -C "$out/src"
mv "$out/src/packaging/debian" "$out/src/debian"
export SOURCE_DATE_EPOCH DEB_BUILD_OPTIONS="parallel=$(nproc) ${DEB_BUILD_OPTIONS:-}"
cd "$out/src"
# make's own variables (-j and O= of the caller) must not reach the build inside.
env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u O -u CFLAGS -u LDFLAGS \
    dpkg-buildpackage -b -us -uc >../build.log 2>&1 9>&- ||
    { tail -n 60 ../build.log >&2; die "the build failed; all of it is in build/deb/build.log"; }
cd ..
check_bounds derp-relay_*_"$arch".deb
check_lintian derp-relay_*_"$arch".changes
mv derp-relay_*_"$arch".deb ../
mv derp-relay-dbgsym_*_"$arch".deb ../ 2>/dev/null || :
rm -rf src
echo "$stamp" >stamp
