# Disconnects a container from a network and connects it again under other aliases. Follows docker.sh.
#
# Arguments: container, network, address; then the options that name the aliases.
# Signals that end a session are ignored, and the output may have no reader any more: once begun, it must be completed.
trap '' HUP INT TERM PIPE
container=$1 network=$2 address=$3
shift 3
output=$(docker network disconnect --force "$network" "$container" 2>&1) || { echo "$output" >&2; exit 1; }
output=$(docker network connect --ip "$address" "$@" "$network" "$container" 2>&1) && exit
# The address is taken, or the network was created without an explicit subnet: any address is good enough.
output=$(docker network connect "$@" "$network" "$container" 2>&1) || { echo "$output" >&2; exit 1; }
