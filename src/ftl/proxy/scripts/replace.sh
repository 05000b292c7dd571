# Stops one container and starts another under its name; if that cannot start, the first runs again. Follows docker.sh.
#
# Arguments: the running container, its successor, their name, seconds for the first to stop, the first one's name
# afterwards, the admin API's address in the successor; then the arguments of the `docker` command that pauses new
# connections.
# Signals that end a session are ignored, and the output may have no reader any more: once begun, it must be completed.
trap '' HUP INT TERM PIPE
old=$1 new=$2 name=$3 grace=$4 parked=$5 admin=$6
shift 6
names() { docker rename "$old" "$parked" && docker rename "$new" "$name"; }
listens() { docker exec "$new" wget -q -O /dev/null "http://$admin/config/"; }
renamed=no tries=0
# Fails while the container is restarting.
names >/dev/null 2>&1 && renamed=yes
pause=$(docker "$@" 2>/dev/null) || pause=
docker stop -t "$grace" "$old" >/dev/null 2>&1
[ "$renamed" = yes ] || names >/dev/null 2>&1
output=$(docker start "$new" 2>&1) && started=yes || started=no
while [ "$started" = yes ] && [ "$tries" -lt 30 ] && ! listens >/dev/null 2>&1; do
    tries=$((tries + 1))
    sleep 0.1
done
if [ "$started" = no ]; then
    docker rename "$new" "$name-failed" >/dev/null 2>&1
    docker rename "$old" "$name" >/dev/null 2>&1
    docker start "$old" >/dev/null 2>&1
fi
[ -z "$pause" ] || docker stop -t 2 "$pause" >/dev/null 2>&1
[ "$started" = yes ] && exit
echo "$output" >&2
exit 1
