# Gives a database the dump that was put beside its data: in one piece, although our client may be gone. Redis is restarted
# for it. Follows ftl.proxy's docker.sh. Runs on the server.
#
# $1: the container; $2: the text of restore.sh; $3: the tool that made the dump; $4: "keep" or "drill"; $5: what the
# replaced database of PostgreSQL is called afterwards.
log=$(mktemp) || exit
trap 'rm -f "$log"' EXIT
(
    trap '' HUP INT TERM PIPE
    docker exec "$1" sh -c "$2" sh swap "$3" "$4" "$5" || exit
    [ "$3" != redis-cli ] || docker restart -t 30 "$1"
) </dev/null >"$log" 2>&1 &
wait $! && exit
cat "$log" >&2
exit 1
