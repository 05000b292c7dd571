# Gives a database the dump that was put beside its data: in one piece, although our client may be gone. Redis is restarted
# for it. Follows ftl.proxy's docker.sh and ftl.host's lock_file.sh, whose functions set `file`. Runs on the server.
#
# $1: the container; $2: the text of restore.sh; $3: the tool that made the dump; $4: "keep" or "drill"; $5: what the
# replaced database of PostgreSQL is called afterwards.
# stdin: the key of the deploy lock, which our client holds meanwhile; an empty line: none.
# Status 3: the data is unchanged.
IFS= read -r key
log=$(mktemp) || exit 3
trap 'rm -f "$log"' EXIT

# Waits for the lock, and so has it from the moment on at which our client is gone: nobody replaces the container then.
inherit_lock() {
    lock_file "$socket" "$key"
    usable && [ -r "$file" ] || return 0
    exec 5<"$file"
    flock 5 &
    waiting=$!
}

replace() {
    docker exec "$1" sh -c "$2" sh replace "$3" "$4" "$5" 5<&-
    status=$?
    # A signal has ended it: where, is not known.
    if [ "$status" -ge 128 ]; then return 1; elif [ "$status" != 0 ]; then return 3; fi
    [ "$3" = redis-cli ] || return 0
    if [ "$(docker inspect --type container -f '{{.State.Running}}' "$1")" != true ]; then
        echo 'its container was stopped meanwhile' >&2
        return 1
    fi
    docker restart -t 30 "$1" 5<&-
}

(
    trap '' HUP INT TERM PIPE
    waiting=''
    [ -z "$key" ] || inherit_lock
    replace "$@"
    status=$?
    [ -z "$waiting" ] || kill "$waiting" 2>/dev/null
    exit "$status"
) </dev/null >"$log" 2>&1 &
wait $!
status=$?
[ "$status" = 0 ] || cat "$log" >&2
exit "$status"
