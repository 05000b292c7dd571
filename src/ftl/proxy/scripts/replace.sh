# Replaces a running container by another under its name, and removes it; if the other does not start or serve, the first
# runs again and the other is removed. Follows docker.sh and ftl.locks' lock_file.sh.
#
# Arguments: the running container, its successor, their name, seconds for the first to stop, the admin API's address in
# both; then the arguments of the `docker` command that pauses new connections.
# stdin: the key of the proxy's lock, which our client has now; our name for others who want it.
# Exit status 3: the successor started, but did not serve; its last log lines are printed.
# Signals that end a session are ignored, and the output may have no reader any more: once begun, it must be completed.
trap '' HUP INT TERM PIPE
IFS= read -r key && IFS= read -r holder || exit 1
old=$1 new=$2 title=$3 grace=$4 admin=$5
shift 5
names() { docker rename "$old" "$title-old" && docker rename "$new" "$title"; }
listens() { docker_within 10 exec "$1" timeout 5 wget -q -O /dev/null "http://$admin/config/" >/dev/null 2>&1; }
# For 45 s at most, also of a server under load; a program that ended is started again by the engine, which counts that.
serves() {
    patience=$(($(date +%s) + 45))
    until listens "$1"; do
        [ "$(date +%s)" -lt "$patience" ] && [ "$(docker inspect -f '{{.RestartCount}}' "$1" 2>&1)" = 0 ] || return 1
        sleep 0.1
    done
}
output=$(docker inspect -f '{{.Id}}' "$new" 2>&1) || { echo "$output" >&2; exit 1; }
# Whoever finds two containers of the proxy waits for us.
keep_lock "$key" "$holder" || { echo "$file cannot be locked" >&2; exit 1; }
renamed=no status=0
# Fails while the container is restarting.
names >/dev/null 2>&1 && renamed=yes
pause=$(docker "$@" 2>/dev/null) || pause=
docker_within $((grace + 60)) stop -t "$grace" "$old" >/dev/null 2>&1
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
    docker rename "$new" "$title-failed" >/dev/null 2>&1
    docker rm --force --volumes "$new" >/dev/null 2>&1
    docker rename "$old" "$title" >/dev/null 2>&1
    docker start "$old" >/dev/null 2>&1
    serves "$old"
fi
[ -z "$pause" ] || docker stop -t 2 "$pause" >/dev/null 2>&1
[ -z "$output" ] || [ "$status" = 0 ] || echo "$output" >&2
exit "$status"
