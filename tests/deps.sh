#!/bin/sh
# Installs what building, testing and the demo need and this machine lacks (Debian 12, apt). Nothing missing: nothing done.
set -eu

packages="gcc make pkgconf libgrpc-dev libprotobuf-c-dev protobuf-c-compiler protobuf-compiler libprotobuf-dev
    libevent-dev libjansson-dev libsystemd-dev libcmocka-dev libsqlite3-dev libssl-dev libcurl4-openssl-dev libnghttp2-dev
    openssl libyaml-dev libpcre2-dev libxml2-dev libcsv-dev libjwt-dev zlib1g-dev
    python3 python3-grpcio python3-protobuf protobuf-compiler-grpc chromium chromium-driver
    iproute2 nftables curl mandoc strace valgrind
    wrk apache2-utils nghttp2-client hey nginx-light nghttp2-server apache2-bin"
# Only where there is none: a node from elsewhere and Debian's npm exclude each other.
command -v node >/dev/null || packages="$packages nodejs"
command -v npm >/dev/null || packages="$packages npm"

missing=
# shellcheck disable=SC2086
installed=" $(dpkg-query -W -f '${db:Status-Status} ${Package} ' $packages 2>/dev/null || true)"
for package in $packages; do
    case $installed in
    *" installed $package "*) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

fail() {
    echo "these packages are missing:$missing" >&2
    echo "$1" >&2
    exit 1
}

as_root=
command -v apt-get >/dev/null || fail "there is no apt-get here; install what corresponds to them by hand"
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "installing them needs root or sudo"
    as_root="sudo"
fi
echo "installing:$missing"

# shellcheck disable=SC2086
install_missing() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >"$log" 2>&1
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Lists that are old enough to be wrong fail, then are renewed.
install_missing || { $as_root apt-get update -qq >/dev/null 2>&1 || true; install_missing; } || {
    tail -20 "$log" >&2
    fail "apt-get could not install them"
}
