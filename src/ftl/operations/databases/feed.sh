# Gives a docker command a scheduled backup as its stdin. Follows ftl.proxy's docker.sh. Runs on the server.
#
# $1: name for the container that reads; $2: the project; $3: docker's --mount of the folder of backups; $4: the image that
# reads; $5: the file. The rest is the command.
# stderr also gets "ftl-read BYTES" each second, as far as the file is read, and at its end.
# Says "ready" when the container is there, and goes on when a line comes. Our stdin then stays open as long as FTL is
# there: when it ends, the reading ends, and the command as one whose stream is cut.
reader=$1 project=$2 folder=$3 image=$4 file=$5
shift 5
exec 6<&0
trap 'docker rm --force --volumes "$reader" >/dev/null 2>&1' EXIT
# The shell and `cat` share the file's position.
docker create --name "$reader" --label "ftl.project=$project" --label ftl.role=transfer --network none --log-driver none \
    --user 0 --mount "$folder" --entrypoint sh "$image" -c '
exec 3<"/backups/$1" || exit
while sed -n "s/^pos:[^0-9]*/ftl-read /p" /proc/self/fdinfo/3; do sleep 1; done >&2 &
cat <&3
status=$?
kill $!
sed -n "s/^pos:[^0-9]*/ftl-read /p" /proc/self/fdinfo/3 >&2
exit $status' sh "$file" >/dev/null </dev/null 6<&- || exit
# Only now: a container that was still to come when FTL went would read to the end.
echo ready
read -r _ <&6 || exit
(
    cat <&6
    docker rm --force --volumes "$reader"
) >/dev/null 2>&1 &
watcher=$!
failed=$({ { docker_attached start --attach "$reader" </dev/null 6<&- || echo reading >&3; } | docker_attached "$@" >/dev/null 3>&- 6<&- || echo command >&3; } 3>&1)
kill "$watcher" 2>/dev/null
[ -z "$failed" ] && exit
[ "$failed" != reading ] || echo "$file could not be read to its end" >&2 # a command that fails ends the reading, too
exit 1
