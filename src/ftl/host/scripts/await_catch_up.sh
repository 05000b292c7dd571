# Waits until a run of follow.sh has ended; exit status 1: it still runs. Follows own_processes.sh. Runs on the server. $1: the project.
#
# Prints what the crontab was last given ("follow" of crontab.sh), the digest of follow.sh and the number of the project's lines:
# where all is as it was, it need not be sent again. Without cron it prints nothing.
lock=$HOME/.ftl/follow.$1.lock
[ ! -e "$lock" ] || flock -w 30 "$lock" true || exit 1
cron_runs || exit 0
given=$(cat "$HOME/.ftl/follow.$1.given" 2>/dev/null) || exit 0
script=$(sha256sum <"$HOME/.ftl/follow.sh")
echo "$given ${script%% *} $(crontab -l 2>/dev/null | grep -c "# ftl-follow $1\$")"
