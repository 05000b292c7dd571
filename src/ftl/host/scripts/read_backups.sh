# Runs a script in a container with a folder of scheduled backups, read only. Follows ftl.proxy's docker.sh.
#
# $1: docker's --mount of the folder; $2: the image; $3: the script. The rest are its arguments.
folder=$1 image=$2 script=$3
shift 3
docker_attached run --rm --network none --log-driver none --user 0 --mount "$folder" --entrypoint sh "$image" -c "$script" sh "$@"
