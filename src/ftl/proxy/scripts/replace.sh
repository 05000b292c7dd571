# Replaces a running container by another under its name, and removes it; if the other does not start or serve, the first
# runs again and the other is removed. Follows docker.sh.
#
# Arguments: the running container, its successor, their name, seconds for the first to stop, the admin API's address in
# both; then the arguments of the `docker` command that pauses new connections. Exit status 3: the successor started, but
# did not serve; its last log lines are printed.
# Signals that end a session are ignored, and the output may have no reader any more: once begun, it must be completed.
trap '' HUP INT TERM PIPE
old=$1 new=$2 name=$3 grace=$4 admin=$5
shift 5
names() { docker rename "$old" "$name-old" && docker rename "$new" "$name"; }
listens() { docker exec "$1" wget -q -O /dev/null "http://$admin/config/" >/dev/null 2>&1; }
# For 30 s at most; a program that ended is started again by the engine, which counts that.
serves() {
    tries=0
    until listens "$1"; do
        tries=$((tries + 1))
        [ "$tries" -lt 200 ] && [ "$(docker inspect -f '{{.RestartCount}}' "$1" 2>&1)" = 0 ] || return 1
        sleep 0.1
    done
}
output=$(docker inspect -f '{{.Id}}' "$new" 2>&1) || { echo "$output" >&2; exit 1; }
renamed=no status=0
# Fails while the container is restarting.
names >/dev/null 2>&1 && renamed=yes
pause=$(docker "$@" 2>/dev/null) || pause=
docker stop -t "$grace" "$old" >/dev/null 2>&1
[ "$renamed" = yes ] || names >/dev/null 2>&1
if ! output=$(docker start "$new" 2>&1); then
    status=1
elif ! serves "$new"; then
    status=3 output=
    docker logs --tail 10 "$new" 2>&1
fi
if [ "$status" = 0 ]; then
    docker rm --volumes "$old" >/dev/null 2>&1
else
    docker rename "$new" "$name-failed" >/dev/null 2>&1
    docker rm --force --volumes "$new" >/dev/null 2>&1
    docker rename "$old" "$name" >/dev/null 2>&1
    docker start "$old" >/dev/null 2>&1
    serves "$old"
fi
[ -z "$pause" ] || docker stop -t 2 "$pause" >/dev/null 2>&1
[ -z "$output" ] || [ "$status" = 0 ] || echo "$output" >&2
exit "$status"
