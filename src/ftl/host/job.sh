# Start the container of a job, unless its schedule says no; stop it after its timeout. Runs on the server, by cron.
#
# $1: the container; $2: "now" if it was started by hand, and only its timeout is left to do. Its label ftl.when has the
# schedule: minutes, hours, days, months and weekdays as numbers, "either" or "both" kinds of day, time zone, seconds.
# A crontab only wakes this script, at times of the server's own zone; so a line of another user's crontab, which an
# earlier deploy has left there, starts nothing that the label does not want.
set -uf
LC_ALL=C
export LC_ALL
container=$1 mode=${2-}
moment=$(date +%s)

inspect() {
    docker inspect --type container -f "$1" "$container" 2>/dev/null
}

among() { # LIST VALUE
    case ",$1," in
    ',*,' | *",$2,"*) return 0 ;;
    esac
    return 1
}

# shellcheck disable=SC2046
set -- $(inspect '{{index .Config.Labels "ftl.when"}} {{.State.Running}} {{.State.StartedAt}} {{.Id}} '\
'{{index .Config.Labels "ftl.project"}} {{index .Config.Labels "ftl.job"}}')
[ $# = 13 ] || exit 0
minutes=$1 hours=$2 days=$3 months=$4 weekdays=$5 kinds=$6 zone=$7 seconds=$8 running=$9
shift 9
# From here on by its ID: a deploy may give the name to another container while this one runs.
started=$1 container=$2 project=$3 job=$4

is_due() {
    # shellcheck disable=SC2046
    set -- $(TZ=$zone date -d "@$moment" '+%M %H %d %m %w')
    among "$minutes" "$1" && among "$hours" "$2" && among "$months" "$4" || return 1
    if [ "$kinds" = either ]; then
        among "$days" "$3" || among "$weekdays" "$5"
    else
        among "$days" "$3" && among "$weekdays" "$5"
    fi
}

if [ "$mode" != now ]; then
    [ "$running" = false ] || exit 0
    # Two crontabs may wake it in the same minute.
    case $started in
    "$(date -u -d "@$moment" +%Y-%m-%dT%H:%M)"*) exit 0 ;;
    esac
    is_due || exit 0
    # The run of an earlier release goes on in its own container.
    [ -z "$(docker ps -q --filter "label=ftl.project=$project" --filter "label=ftl.job=$job")" ] || exit 0
    docker start "$container" >/dev/null || exit 1
fi
# The engine may restart meanwhile, and `docker wait` end.
end=$((moment + seconds))
while :; do
    running=$(inspect '{{.State.Running}}')
    [ "$running" = false ] && exit 0
    [ -z "$running" ] && docker ps -q >/dev/null 2>&1 && exit 0 # it has ended, and a deploy has removed it
    left=$((end - $(date +%s)))
    [ "$left" -gt 0 ] || break
    timeout "$left" docker ${socket:+--host "unix://$socket"} wait "$container" >/dev/null 2>&1
    sleep 0.2
done
docker stop -t 10 "$container" >/dev/null
