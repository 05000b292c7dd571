# Stops a container and starts another in its place; if that fails, starts the first again. Follows docker.sh.
#
# $1: container that runs; $2: container to run instead; $3: the name of the one that runs; $4: its name afterwards; $5:
# name of the other one where it has to be taken back; $6: seconds to stop.
# Deaf to what ends a session. The one that stops loses its restart policy before the other starts: an engine that crashed
# between the two would start both, on the same data.
trap '' HUP INT TERM PIPE
policy() { docker inspect -f '{{with index .Config.Labels "ftl.restart"}}{{.}}{{else}}always{{end}}' "$1"; }
old=$1 new=$2 name=$3 parked=$4 fresh=$5 seconds=$6
said=$(docker stop -t "$seconds" "$old" 2>&1) || { echo "$said" >&2; exit 1; }
docker update --restart no "$old" >/dev/null 2>&1
said=$(docker rename "$old" "$parked" 2>&1 && docker rename "$new" "$name" 2>&1 &&
    docker update --restart "$(policy "$new")" "$new" 2>&1 && docker start "$new" 2>&1) && exit 0
docker stop -t "$seconds" "$new" >/dev/null 2>&1
docker update --restart no "$new" >/dev/null 2>&1
docker rename "$new" "$fresh" >/dev/null 2>&1
docker rename "$old" "$name" >/dev/null 2>&1
docker update --restart "$(policy "$old")" "$old" >/dev/null 2>&1
docker start "$old" >/dev/null 2>&1
echo "$said" >&2
exit 1
