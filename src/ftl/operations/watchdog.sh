# Ends a command in a container once our client is gone: the engine itself never does. Follows ftl.proxy's docker.sh and
# ftl.host's lock_file.sh. Runs on the server.
#
# $1: seconds without a heartbeat after which the client counts as gone; $2: "exec", "tool", "run" or "detached"; $3: the
# container; $4: the token of an exec or a tool, or the seconds that a run may take.
# stdin: the key of the deploy lock, which our client has now, where the command changes what others then must not touch, or an empty
# line; our name for others who want it. We say "ready" then, and keep the lock until the command has ended. Then "beat\n" again and again, and "done\n" when the command has ended. Both have 5 bytes.
trap '' HUP PIPE
# The client may be gone before its first line. `read` takes no byte after a line, and a key has no space.
beat=beat
lines=$(timeout "$1" sh -c 'IFS= read -r key && IFS= read -r holder && printf "%s %s" "$key" "$holder"') || beat=
key=${lines%% *} holder=${lines#* }
if [ -n "$key" ] && ! keep_lock "$key" "$holder"; then
    echo "failed $file cannot be locked"
    exit 1
fi
echo ready
end=
[ "$2" = run ] && end=$(($(date +%s) + $4))
while [ "$beat" = beat ] && beat=$(timeout "$1" dd bs=5 count=1 2>/dev/null); do
    [ -n "$end" ] && [ "$(date +%s)" -ge "$end" ] && break
done
[ "$beat" = "done" ] && exit
exec >/dev/null 2>&1 </dev/null

case $2 in
    run) docker rm --force --volumes "$3"; exit ;;
    detached) docker rm --volumes "$3"; exit ;;  # not one that runs
esac
# A shell on a terminal ignores TERM. The tools of a database do not know HUP: by TERM, those of PostgreSQL have the server
# cancel what they wait for, which it would go on with.
signals='HUP TERM TERM KILL'
[ "$2" = tool ] && signals='TERM TERM TERM KILL'

# In the container: ends all processes with the token in their environment, as long as the command's own is among them,
# whose parent is outside the container. So what an ended command has left on purpose stays.
# Children before their parents: one whose parent ends first becomes a child of the container's first process. PostgreSQL
# takes the signal that ends such a child for a crash of its own, and ends the sessions of all its clients
# (docker-library/postgres issue 1349).
end='
command -v grep && command -v sleep || exit 3
marked() {
    for environ in $(grep -ls "FTL_EXEC=$1" /proc/[0-9]*/environ); do
        process=${environ%/environ}
        echo "${process#/proc/}"
    done
}
pids=$(marked "$1")
for pid in $pids; do grep -q "^PPid:[[:space:]]*0$" "/proc/$pid/status" && command=$pid; done
[ -n "${command-}" ] || exit 0
for signal in $2; do
    told=" "
    for _ in 1 2 3 4 5; do
        # Also of those that have ended, and were not waited for.
        parents=$(echo $(grep -hs "^PPid:" /proc/[0-9]*/status))
        for pid in $pids; do
            case " $parents $told" in *" $pid "*) continue ;; esac
            kill -s "$signal" "$pid"
            told="$told$pid "
        done
        sleep 0.2 2>/dev/null || sleep 1
        pids=$(marked "$1")
        [ -n "$pids" ] || exit 0
    done
done
kill -s KILL $pids
'
docker exec --user 0 "$3" sh -c "$end" sh "$4" "$signals" && exit
# The image has no shell: the one of the proxy's image looks into the container.
image=$(docker inspect --format '{{.Image}}' ftl-proxy) || exit
docker run --rm --network none --pid "container:$3" --user 0 --cap-add SYS_PTRACE --cap-add KILL \
    --label ftl.role=guard --entrypoint sh "$image" -c "$end" sh "$4" "$signals"
