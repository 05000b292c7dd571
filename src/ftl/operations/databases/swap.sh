# Gives Redis the dump that was put beside its data, and restarts it: in one piece, although our client may be gone.
# Follows ftl.proxy's docker.sh. Runs on the server.
#
# $1: the container; $2: the text of restore.sh.
log=$(mktemp) || exit
trap 'rm -f "$log"' EXIT
(
    trap '' HUP INT TERM PIPE
    docker exec "$1" sh -c "$2" sh swap redis-cli keep '' && docker restart -t 30 "$1"
) </dev/null >"$log" 2>&1 &
wait $! && exit
cat "$log" >&2
exit 1
