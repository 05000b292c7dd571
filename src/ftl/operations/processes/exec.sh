# Runs a command in a container. Follows ftl.proxy's docker.sh. Runs on the server.
#
# $1: "-t" for a terminal, else "-i"; $2: TERM; $3: the token that marks the command and all that it starts. The rest is
# more options of `docker exec`, the container's ID and the command. Docker's own detach keys would swallow Ctrl-P: these are hard to type.
terminal=$1 term=$2 token=$3
shift 3
if [ "$terminal" = -t ]; then
    docker_attached exec -i -t --detach-keys 'ctrl-^,ctrl-@,ctrl-^,ctrl-@' -e "TERM=$term" -e "FTL_EXEC=$token" "$@"
else
    docker_attached exec -i -e "FTL_EXEC=$token" "$@"
fi
