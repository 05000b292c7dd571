# The PID of the machine's own engine. Follows own_processes.sh.
engine_pid() {
    engines=$(own_processes dockerd)
    for candidate in $(cat /var/run/docker.pid 2> /dev/null) $engines; do
        # shellcheck disable=SC2086 # one line
        case " $(echo $engines) " in
        *" $candidate "*)
            echo "$candidate"
            return
            ;;
        esac
    done
    return 1
}

