# The server's own processes by their names: those inside of its containers are others. Another script follows.
#
# A process of a PID namespace below ours has a number in each (proc_pid_status(5), NSpid), and every user may read that.

# own_processes NAME...: their PIDs.
own_processes() {
    # shellcheck disable=SC2013
    for comm in $(grep -lsxF -- "$(printf '%s\n' "$@")" /proc/[0-9]*/comm); do
        process=${comm#/proc/}
        if is_own_process "${process%/comm}"; then echo "${process%/comm}"; fi
    done
}

is_own_process() { # PID
    awk '$1 == "Pid:" { found = 1 } $1 == "NSpid:" && NF > 2 { inside = 1 } END { exit !found || inside }' \
        "/proc/$1/status" 2>/dev/null
}

# Of any package: cron, cronie, systemd-cron. Where others' processes are hidden (hidepid), systemd knows.
cron_runs() {
    [ -n "$(own_processes cron crond)" ] && return
    command -v systemctl >/dev/null &&
        { systemctl -q is-active cron || systemctl -q is-active crond || systemctl -q is-active cron.target; } 2>/dev/null
}
