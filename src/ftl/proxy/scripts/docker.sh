# Makes `docker` speak to the engine that FTL uses; another script follows. Runs on the server.
#
# Arguments: the engine's socket, which is removed from them; empty: the command finds the engine by itself, as FTL did.
# Exit status 127: there is no docker command.
# Who runs these scripts may be gone, and a lock be held meanwhile: a call of an engine that hangs ends.
command -v docker >/dev/null || exit 127
socket=$1
shift

# A call has a process group of its own: what ends a script that ignores signals ends no call of it half way.
docker_group=
# For a script with a limit for all of it: that ends its calls, too. BusyBox never makes a group.
end_calls_with_script() {
    case $(timeout --help 2>&1) in *--foreground*) docker_group=--foreground ;; esac
}

# A command that takes a minute at most.
docker() { docker_within 60 "$@"; }

# docker_within SECONDS ARGUMENT...: exit status 124: it took longer.
docker_within() {
    docker_seconds=$1
    shift
    timeout $docker_group -k 5 "$docker_seconds" docker ${socket:+--host "unix://$socket"} "$@"
}

# start_containers ID...: again, twice, where the managers of an overlay gave a container no address in time.
start_containers() {
    for docker_try in 1 2 3; do
        docker_said=$(docker start "$@" 2>&1 >/dev/null) && return
        docker_status=$?
        case $docker_said in *'attaching to network failed'*'deadline exceeded'*) [ "$docker_try" = 3 ] || sleep 1 ;; *) break ;; esac
    done
    [ -z "$docker_said" ] || printf '%s\n' "$docker_said" >&2
    return "$docker_status"
}

# A command with a stream or a terminal of our client's, with which it ends: `watchdog.sh` sees to that.
docker_attached() { command docker ${socket:+--host "unix://$socket"} "$@"; }

# of_role ROLE: the ID of a container of FTL's own, by its label, for a name may be another's. Nothing: there is none.
of_role() { docker ps -aq --no-trunc --filter "label=ftl.role=$1" 2>/dev/null </dev/null | sed 1q; }
