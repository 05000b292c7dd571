# Runs steps as root, in their order; answers go to descriptor 3. Arguments: the login user, $SSH_CONNECTION.
# A step on stdin: its kind, the number of its arguments, each argument on a line of its own. Answers:
#     note<TAB>TEXT     something the user should know, as it happens
#     log<TAB>LINE      the last lines of its programs' output, where it failed
#     done | failed
# When stdin ends, or nobody reads the answers any more, the running step is finished, no other is started, and a change
# that still waits for its confirmation is reverted. A process that may stay behind, a daemon above all, must not
# inherit descriptor 3: it would keep the connection open.
export LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin
umask 022
trap '' PIPE HUP INT TERM
exec 3>&1
state=/run/ftl-setup
mkdir -p "$state" && chmod 700 "$state"
log=$state/log
connection=${2-}

# One setup at a time: they would overwrite each other's state. The lock ends with this process and with a change that
# waits for its confirmation (guarded.sh); like descriptor 3 it must not be left to a daemon.
if command -v flock > /dev/null 2>&1; then
    exec 9> "$state/lock"
    if ! flock -n 9; then
        echo ftl-busy
        exit
    fi
fi

answer() {
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

# PATH MODE BASE64 [SEEN]: replace a file; see replace_file.sh.
put() {
    mkdir -p "$(dirname "$1")" && (umask 077 && printf '%s' "$3" | base64 -d > "$state/content") &&
        replace_file "$1" "$2" '' "${4-}" < "$state/content"
    put_status=$?
    rm -f "$state/content"
    return $put_status
}
