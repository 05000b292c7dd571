#!/bin/sh
# FTL as one file. The program follows this text as a compressed archive: it is unpacked into the user's cache when a
# version runs for the first time, and started from there.
set -eu

cache=${XDG_CACHE_HOME:-${HOME:-}/.cache}/ftl/onefile
folder=$cache/@NAME@

fail() {
    printf 'error: %s\n  fix: %s\n' "$1" "$2" >&2
    exit 1
}

unpack() {
    umask 077
    # shellcheck disable=SC2015 # either failure has the same answer
    mkdir -p "$cache" 2>/dev/null && new=$(mktemp -d "$cache/new.XXXXXX" 2>/dev/null) ||
        fail "$cache cannot be written, where FTL unpacks itself" \
            'set XDG_CACHE_HOME to a folder that you can write to'
    trap 'rm -rf "$new"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    # -m: the time of unpacking, by which old versions are found below.
    tail -c +@OFFSET@ "$1" 2>/dev/null | tar -xzmf - -C "$new" 2>/dev/null && [ -f "$new/@NAME@/ftl" ] ||
        fail "$1 cannot be unpacked: it is incomplete, or $cache is full" 'download it again, or make room'
    # Fails if another process was quicker: a folder does not replace one that has files.
    mv "$new/@NAME@" "$cache/" 2>/dev/null || :
    [ -x "$folder/ftl" ] ||
        fail "$folder/ftl cannot be run" 'set XDG_CACHE_HOME to a folder of a file system that is not mounted noexec'
    rm -rf "$new"
    trap - EXIT HUP INT TERM
    # The version before stays: a command of it may still run, and import modules later.
    # shellcheck disable=SC2012 # by age, and names of our own
    ls -1dt "$cache"/[0-9]* | tail -n +3 | while read -r old; do rm -rf "$old"; done
    find "$cache" -maxdepth 1 -name 'new.*' -mtime +1 -exec rm -rf {} + 2>/dev/null || :
}

case $0 in
/*) file=$0 ;;
*) file=$PWD/$0 ;;
esac
[ -x "$folder/ftl" ] || unpack "$file"
FTL_ONEFILE=$file exec "$folder/ftl" "$@"
