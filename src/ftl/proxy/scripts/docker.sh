# Makes `docker` speak to the engine that FTL uses; another script follows. Runs on the server.
#
# Arguments: the engine's socket, which is removed from them; empty: the command finds the engine by itself, as FTL did.
# Exit status 127: there is no docker command.
command -v docker >/dev/null || exit 127
socket=$1
shift
docker() { command docker ${socket:+--host "unix://$socket"} "$@"; }

# of_role ROLE: the ID of a container of FTL's own, by its label, for a name may be another's. Nothing: there is none.
of_role() { docker ps -aq --no-trunc --filter "label=ftl.role=$1" 2>/dev/null </dev/null | sed 1q; }

# docker_within SECONDS ARGUMENT...: an engine that hangs holds nobody. Exit status 124: it took longer.
docker_within() {
    docker_seconds=$1
    shift
    timeout -k 5 "$docker_seconds" docker ${socket:+--host "unix://$socket"} "$@"
}
