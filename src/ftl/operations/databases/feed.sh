# Gives a docker command a scheduled backup as its stdin. Follows ftl.proxy's docker.sh. Runs on the server.
#
# $1: name for the container that reads; $2: a container with the folder of backups; $3: the image that reads; $4: the
# file; $5: base64 of bytes before it; $6: number of zero bytes after it. The rest is the command.
# Our stdin stays open as long as FTL is there: when it ends, the reading ends, and the command as one whose stream is cut.
reader=$1 folder=$2 image=$3 file=$4 head=$5 padding=$6
shift 6
exec 6<&0
(
    cat <&6
    docker rm --force "$reader"
) >/dev/null 2>&1 &
read_file() {
    [ -z "$head" ] || printf %s "$head" | base64 -d || return
    docker run --rm --name "$reader" --network none --log-driver none --volumes-from "$folder:ro" --entrypoint sh "$image" \
        -c 'cat "/backups/$1"' sh "$file" </dev/null 6<&- || return
    [ "$padding" = 0 ] || head -c "$padding" /dev/zero
}
failed=$({ { read_file || echo reading >&3; } | docker "$@" >/dev/null 3>&- 6<&- || echo command >&3; } 3>&1)
kill "$!" 2>/dev/null
[ -z "$failed" ] && exit
[ "$failed" != reading ] || echo "$file could not be read to its end" >&2 # a command that fails ends the reading, too
exit 1
