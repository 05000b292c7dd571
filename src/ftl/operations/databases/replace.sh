# Gives a database the dump that was put beside its data: in one piece, although our client may be gone. Redis is restarted
# for it. Follows ftl.proxy's docker.sh and ftl.host's lock_file.sh. Runs on the server.
#
# $1: the container; $2: the text of restore.sh; $3: the tool that made the dump; $4: "keep" or "drill"; $5: what the
# replaced database of PostgreSQL is called afterwards; $6: that database, if it is not the one that the env names.
# stdin: the key of the deploy lock, which our client has now, or an empty line: none; our name for others who want it.
# Status 3: the data is unchanged.
IFS= read -r key && IFS= read -r holder || exit 3
log=$(mktemp) || exit 3
trap 'rm -f "$log"' EXIT

replace() {
    # Where Redis saves, or PostgreSQL waits for clients, it takes minutes.
    docker_within 900 exec "$1" sh -c "$2" sh replace "$3" "$4" "$5" ${6:+"$6"}
    status=$?
    # A signal or its limit has ended it: where, is not known.
    if [ "$status" = 124 ] || [ "$status" -ge 128 ]; then return 1; elif [ "$status" != 0 ]; then return 3; fi
    [ "$3" = redis-cli ] || return 0
    if [ "$(docker inspect --type container -f '{{.State.Running}}' "$1")" != true ]; then
        echo 'its container was stopped meanwhile' >&2
        return 1
    fi
    docker_within 120 restart -t 30 "$1"
}

(
    trap '' HUP INT TERM PIPE
    # Who has the deploy lock after our client waits: the container is not replaced meanwhile, and not started beside a new one.
    if [ -n "$key" ] && ! keep_lock "$key" "$holder"; then
        echo "$file cannot be locked"
        exit 3
    fi
    replace "$@"
) </dev/null >"$log" 2>&1 &
wait $!
status=$?
[ "$status" = 0 ] || cat "$log" >&2
exit "$status"
