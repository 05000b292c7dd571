# Succeeds if the script that watches a release runs here. Runs on the server.
#
# $1: the project; $2: the release. Where other users' processes are hidden (hidepid), it counts as running.
[ -r /proc/1/cmdline ] || exit 0
# shellcheck disable=SC2013
for cmdline in $(grep -lsxz ftl-watch /proc/[0-9]*/cmdline); do
    grep -sxzqF -- "$1" "$cmdline" && grep -sxzqF -- "$2" "$cmdline" && exit 0
done
exit 1
