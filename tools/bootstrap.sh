#!/bin/sh
# Installs the Debian packages that a step needs and that are missing; where nothing is missing, apt is not touched.
#
#   tools/bootstrap.sh venv     Python with venv, to set up the project
#   tools/bootstrap.sh attach   gdb, to attach to targets (make demo)
#   tools/bootstrap.sh test     what provides the interpreters that the tests attach to
#   tools/bootstrap.sh build    what compiles CPython, where an interpreter must be built
set -eu

step=${1:?usage: tools/bootstrap.sh venv|attach|test|build}
packages=

need() { packages="$packages $*"; }

need_library() {
    # shellcheck disable=SC2016
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ] || need "$1"
}

case $step in
venv)
    # shellcheck disable=SC2016
    "${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null || need python3-venv
    ;;
attach)
    command -v gdb >/dev/null || need gdb
    ;;
test)
    command -v gdb >/dev/null || need gdb
    command -v strip >/dev/null || need binutils
    command -v cc >/dev/null || need gcc libc6-dev
    command -v redis-server >/dev/null || need redis-server # Celery's broker
    command -v mkfs.btrfs >/dev/null || need btrfs-progs    # a file system with quotas
    command -v zsh >/dev/null || need zsh                   # completion, as people have it
    command -v fish >/dev/null || need fish
    [ -n "$(ls /usr/share/keyrings/debian-archive-keyring.* 2>/dev/null)" ] || need debian-archive-keyring
    ;;
build)
    for name in build-essential libssl-dev zlib1g-dev libffi-dev libsqlite3-dev libbz2-dev liblzma-dev \
        libreadline-dev uuid-dev xz-utils; do
        need_library "$name"
    done
    ;;
*)
    echo "bootstrap: there is no step \"$step\"" >&2
    exit 2
    ;;
esac

[ -n "$packages" ] || exit 0

fail() {
    echo "bootstrap:$packages cannot be installed, because $1." \
        "Install what your system calls these packages, then run make again." >&2
    exit 1
}

command -v apt-get >/dev/null || fail "there is no apt-get here"
sudo=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "you are not root and there is no sudo"
    sudo="sudo"
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" >"$log" 2>&1 || { cat "$log" >&2; return 1; }; }

echo "bootstrap: installing$packages" >&2
apt update || fail "apt-get update failed"
# shellcheck disable=SC2086
apt install --yes --no-install-recommends $packages || fail "apt-get install failed"
