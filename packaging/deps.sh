#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what building and testing need from Debian's or Ubuntu's packages (root).
# Quiet and instant when everything is there. Starts no service: those that come along with a
# tool (nsd, nginx, haproxy, knot) are neither started now nor at the next boot.
set -eu

BUILD='build-essential pkg-config gettext libssl-dev libev-dev libcurl4-openssl-dev libjansson-dev
    libsodium-dev libunbound-dev libinih-dev libwslay-dev libsystemd-dev libnftables-dev uthash-dev
    zlib1g-dev git ca-certificates'
PACKAGE='debhelper lintian mandoc'
TESTS='libcmocka-dev clang clang-format python3 python3-pytest python3-cryptography python3-nacl
    pebble nsd ldnsutils dns-root-data bind9-dnsutils openssl curl jq ufw iptables nftables iproute2
    nginx libnginx-mod-stream haproxy knot libnss3-tools iputils-ping procps util-linux mount
    dropbear-bin openssh-client'
# A browser for tests/system/test_browser.py, where there is one as a package: Ubuntu has only a snap.
BROWSER=chromium
SERVICES='nsd nginx haproxy knot'
# The servers of tests/appliance: root file systems of Debian, booted in containers.
APPLIANCE='mmdebstrap debian-archive-keyring systemd-container'

# Plots, with BENCH=1 only (make bench).
PLOTS=python3-matplotlib

# Go builds the programs with Tailscale's own client; any of 1.16 or newer, which then fetches the
# toolchain it needs. One that is here already does.
have_go() {
    command -v go >/dev/null || [ -x /usr/local/go/bin/go ]
}

die() {
    printf 'deps: %s\n' "$*" >&2
    exit 1
}

# The version of clang that the package "clang" stands for, from dpkg, or from apt when missing.
clang_version() {
    depends=$(dpkg-query -W -f '${Depends}' clang 2>/dev/null) || :
    [ -n "$depends" ] ||
        depends=$(apt-cache show --no-all-versions clang 2>/dev/null | sed -n "s/^Depends: //p")
    printf '%s\n' "$depends" | sed -n 's/.*\bclang-\([0-9][0-9]*\).*/\1/p' | head -n 1
}

# libFuzzer and the sanitizers of clang are a package of their own, and so is the symbolizer.
all_wanted() {
    version=$(clang_version)
    echo $BUILD $PACKAGE $TESTS $APPLIANCE ${version:+libclang-rt-$version-dev llvm-$version}
    [ -z "${BENCH:-}" ] || echo "$PLOTS"
    have_go || echo golang-go
    if dpkg-query -W "$BROWSER" >/dev/null 2>&1 ||
        apt-cache show --no-all-versions "$BROWSER" >/dev/null 2>&1; then
        echo "$BROWSER"
    fi
}

missing() {
    wanted=$(all_wanted)
    # shellcheck disable=SC2086
    here=" $(dpkg-query -W -f '${Package}=${db:Status-Status}\n' $wanted 2>/dev/null | tr '\n' ' ')"
    for package in $wanted; do
        case $here in
        *" $package=installed "*) ;;
        *) echo "$package" ;;
        esac
    done
}

# policy-rc.d answers 101, "action forbidden", to every maintainer script that wants a service
# started. One that is already there is the owner's wish and stays.
policy=/usr/sbin/policy-rc.d
made_policy=
forbid_services() {
    if [ ! -e "$policy" ] && [ ! -L "$policy" ]; then
        made_policy=yes
        printf '#!/bin/sh\n# from packaging/deps.sh of derp-relay, for a moment\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
}

tidy() {
    [ -z "$made_policy" ] || rm -f "$policy"
    made_policy=
}

command -v apt-get >/dev/null || die "this needs apt-get (Debian 12 or 13, Ubuntu 24.04)"
wanted=$(missing)
[ -n "$wanted" ] || exit 0
[ "$(id -u)" = 0 ] || die "must be root to install: $(echo $wanted); try: sudo make deps"

trap tidy EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 LC_ALL=C.UTF-8
apt() {
    apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}
log=$(mktemp)
trap 'tidy; rm -f "$log"' EXIT

printf 'deps: looking for %s packages\n' "$(echo $wanted | wc -w)"
apt update >"$log" 2>&1 || { cat "$log" >&2; die "apt-get update failed, see above"; }
wanted=$(missing)
unknown=$(for p in $wanted; do
    apt-cache show --no-all-versions "$p" >/dev/null 2>&1 || echo "$p"
done)
[ -z "$unknown" ] || die "not in this machine's apt sources: $(echo $unknown)
    Debian 12 and 13 have them in main, Ubuntu 24.04 in main and universe."
new_services=$(for s in $SERVICES; do
    case " $(echo $wanted) " in *" $s "*) echo "$s" ;; esac
done)
forbid_services
# shellcheck disable=SC2086
apt install -y --no-install-recommends $wanted >"$log" 2>&1 ||
    { tail -n 40 "$log" >&2; die "apt-get install failed, see above"; }
for s in $new_services; do
    command -v systemctl >/dev/null || break
    systemctl disable --quiet "$s.service" ||
        die "cannot disable $s.service: tests need the program, not the service"
done
still=$(missing)
[ -z "$still" ] || die "apt-get reported success, but still missing: $(echo $still)"
printf 'deps: installed %s\n' "$(echo $wanted)"
