# Starts a container that was created to run a command once. Follows ftl.proxy's docker.sh. Runs on the server.
#
# $1: "attached" or "detached"; $2: the container's name; $3: seconds that a detached one may live, or 0.
# Docker's own detach keys would swallow Ctrl-P: these are hard to type.
if [ "$1" = attached ]; then
    docker_attached start --attach --interactive --detach-keys 'ctrl-^,ctrl-@,ctrl-^,ctrl-@' "$2"
    exit
fi
start_containers "$2" || exit
[ "$3" = 0 ] && exit
(
    trap '' HUP
    docker_within "$3" wait "$2"
    docker rm --force --volumes "$2"
) >/dev/null 2>&1 </dev/null &
