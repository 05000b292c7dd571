# The PID of the machine's own engine: an engine in a container (Docker in Docker) is in another PID namespace.
engine_pid() {
    ours=$(readlink /proc/self/ns/pid)
    for candidate in $(cat /var/run/docker.pid 2> /dev/null) $(pidof dockerd 2> /dev/null); do
        if [ "$(cat "/proc/$candidate/comm" 2> /dev/null)" = dockerd ] &&
            [ "$(readlink "/proc/$candidate/ns/pid" || echo "$ours")" = "$ours" ]; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

