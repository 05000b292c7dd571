# Does what FTL says, step by step, as root; its answers go to descriptor 3. Arguments: none that matter.
# A step on stdin: its name, the number of its words, each on a line of its own. Its answers:
#     note<TAB>TEXT     something to know, as it happens
#     log<TAB>LINE      the last lines of what its programs said, where it failed
#     done | failed
# When stdin ends, or nobody hears the answers any more, the step under way is finished, no other is begun, and what
# still waited for its confirmation is taken back. What may stay behind, a daemon above all, must not inherit
# descriptor 3: the connection would stay with it.
export LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin
umask 022
trap '' PIPE HUP INT TERM
exec 3>&1
state=/run/ftl-setup
mkdir -p "$state" && chmod 700 "$state"
log=$state/log

# One setup at a time: they would write over each other's notes. The lock ends with us and with what still waits for its
# confirmation (guarded.sh); like descriptor 3 it must not be left to a daemon.
if command -v flock > /dev/null 2>&1; then
    exec 9> "$state/lock"
    if ! flock -n 9; then
        echo ftl-busy
        exit
    fi
fi

tell() {
    printf '%s\n' "$1" >&3 2> /dev/null
}

note() {
    printf 'note\t%s\n' "$1" >&3 2> /dev/null || true
}

has() {
    command -v "$1" > /dev/null 2>&1
}

has_systemd() {
    [ -d /run/systemd/system ]
}

# PATH MODE BASE64: replace a file in one move; a symbolic link stays one.
put() {
    mkdir -p "$(dirname "$1")" || return
    target=$(readlink -f "$1") || return
    (umask 077 && printf '%s' "$3" | base64 -d > "$target.ftl-new") &&
        chmod "$2" "$target.ftl-new" && mv -f "$target.ftl-new" "$target"
}
