# Succeeds if the script that watches a release runs here. Runs on the server.
#
# $1: the project; $2: the release; $3: the engine's socket. Where other users' processes are hidden (hidepid), it counts
# as running.
[ -r /proc/1/cmdline ] || exit 0
group=$(stat -L -c %g "${3:-/var/run/docker.sock}" 2>/dev/null)

# Whether it is of a user of the engine, and not inside of a container: others' processes may have any words.
may_watch() { # FOLDER
    awk -v me="$(id -u)" -v group="$group" '
$1 == "Uid:" && ($3 == 0 || $3 == me) { may = 1 }
$1 == "Gid:" || $1 == "Groups:" { for (each = 2; each <= NF; each++) if ($each == group) may = 1 }
$1 == "NSpid:" && NF > 2 { inside = 1 }
END { exit !may || inside }' "$1/status" 2>/dev/null
}

# shellcheck disable=SC2013
for cmdline in $(grep -lsxz ftl-watch /proc/[0-9]*/cmdline); do
    grep -sxzqF -- "$1" "$cmdline" && grep -sxzqF -- "$2" "$cmdline" && may_watch "${cmdline%/*}" && exit 0
done
exit 1
