# Starts the container of a job, unless its schedule says no; stops it after its timeout. Follows ftl.proxy's docker.sh,
# which sets `socket`, lock_file.sh, records.sh and notify.sh. Runs on the server, by cron or by hand.
#
# $1: the container's name; $2: "now" if it is started by hand. Then stdout is "started ID", "running", "gone" or
# "failed REASON", and the timeout is left to a process in the background. Its label ftl.when has the schedule: minutes,
# hours, days, months and weekdays as numbers, "either" or "both" kinds of day, time zone, seconds.
# A crontab only wakes this script, at times of the server's own zone; so a line of another user's crontab, which an
# earlier deploy has left there, starts nothing that the label does not want.
set -uf
LC_ALL=C
export LC_ALL
container=$1 mode=${2-}
moment=$(date +%s)

answer() { # WORDS: only who starts it by hand reads them
    [ "$mode" != now ] || echo "$*"
    exit 0
}

# Who starts it by hand sees how it ends.
report() { # TEXT
    [ "$mode" = now ] || notify "$project" job_failure "the job $job $1"
}

report_end() {
    remember
    # shellcheck disable=SC2046
    set -- $(inspect '{{.State.ExitCode}} {{.State.OOMKilled}}' "$id")
    case $* in
    '' | '0 '*) ;;
    *true) report 'ran out of memory' ;;
    # The status of backup.sh. No job of ftl.yaml has a dot.
    '4 '*) case $job in
        backup.*) report 'has made a backup of less than half of the bytes of the previous one, which stays' ;;
        *) report 'ended with status 4' ;;
        esac ;;
    *) report "ended with status $1" ;;
    esac
}

inspect() {
    docker inspect --type container -f "$1" "$2" 2>/dev/null
}

stored_runs() { # FILE
    docker cp "$store:/ftl/$project/$1" - </dev/null 2>/dev/null | tar -xOf - 2>/dev/null
}

# Writes how the container's last run ended among the release records: the engine forgets it when the next one starts,
# and when a deploy replaces the container. One line a run: start, end, status, whether it lacked memory; the newest first.
remember() {
    run=$(inspect '{{.State.StartedAt}} {{.State.FinishedAt}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Running}}' "$id")
    case $run in
    *' false') run=${run% false} ;;
    *) return ;; # it runs, or is gone
    esac
    case $run in 0001-*) return ;; esac
    store=$(record_store)
    [ -n "$store" ] || return
    earlier=$(stored_runs "$job.runs")
    [ -n "$earlier" ] || earlier=$(stored_runs "$job.runs.old")
    case $earlier in "$run"*) return ;; esac
    place=$(mktemp -d) || return
    # By a tar stream: a docker command from a snap sees no file in /tmp. The engine writes in place: first what was before.
    [ -z "$earlier" ] || printf '%s\n' "$earlier" >"$place/$job.runs.old"
    printf '%s\n' "$run" ${earlier:+"$earlier"} | sed 10q >"$place/$job.runs"
    tar -C "$place" -cf - ${earlier:+"$job.runs.old"} "$job.runs" | docker cp - "$store:/ftl/$project" >/dev/null 2>&1
    rm -rf "$place"
}

look() {
    # shellcheck disable=SC2046
    set -- $(inspect '{{index .Config.Labels "ftl.when"}} {{.State.StartedAt}} {{.Id}} '\
'{{index .Config.Labels "ftl.project"}} {{index .Config.Labels "ftl.job"}} {{.HostConfig.NetworkMode}}' "$container")
    [ $# = 13 ] || return 1
    minutes=$1 hours=$2 days=$3 months=$4 weekdays=$5 kinds=$6 zone=$7 seconds=$8 started=$9
    shift 9
    id=$1 project=$2 job=$3 network=$4
}

# `docker system prune` removes containers that do not run, as those of jobs mostly do. Only a deploy makes it again; until then
# this says so, once a day: where the live release has the job, and no container of it has another name, as while a deploy replaces
# it or after `ftl stop`.
report_gone() {
    project=${container%%.job.*} job=${container#*.job.} told=$HOME/.ftl/gone.$container today=$(date +%F)
    [ "$(cat "$told" 2>/dev/null)" != "$today" ] || return 0
    is_gone && sleep 5 && is_gone && ! elsewhere "$project" || return 0
    notify_file "$project" | grep -qxF "job $job" || return 0
    mkdir -p "$HOME/.ftl" && echo "$today" >"$told" || return 0
    report 'does not run: its container was removed, as by docker system prune. A deploy makes it again'
}

is_gone() { # the engine answers, and has none
    others=$(docker ps -aq --filter "label=ftl.project=$project" --filter "label=ftl.job=$job" 2>/dev/null) && [ -z "$others" ]
}

among() { # LIST VALUE
    case ",$1," in
    ',*,' | *",$2,"*) return 0 ;;
    esac
    return 1
}

is_due() {
    # Two crontabs may wake it in the same minute.
    case $started in
    "$(date -u -d "@$moment" +%Y-%m-%dT%H:%M)"*) return 1 ;;
    esac
    # shellcheck disable=SC2046
    set -- $(TZ=$zone date -d "@$moment" '+%M %H %d %m %w')
    among "$minutes" "$1" && among "$hours" "$2" && among "$months" "$4" || return 1
    if [ "$kinds" = either ]; then
        among "$days" "$3" || among "$weekdays" "$5"
    else
        among "$days" "$3" && among "$weekdays" "$5"
    fi
}

# Of two that are woken at the same time, the second one looks when the first has started the job. `docker start` would
# leave a running container alone, but a deploy may have given the name to another one in between.
take_lock() {
    open_lock 5 "$(printf 'ftl-job %s %s' "$(docker info -f '{{.ID}}' 2>/dev/null)" "$container" | sha256sum)" 100
}

start() {
    look || answer gone
    # The first attempt took too long for us, and the engine has completed it: that run may have ended by now.
    [ "$tried" != "$id" ] || [ "$started" = "$before" ] || return 0
    [ "$mode" = now ] || is_due || exit 0
    # The run of an earlier release goes on in its own container.
    running=$(docker ps -q --no-trunc --filter "label=ftl.project=$project" --filter "label=ftl.job=$job")
    if [ -n "$running" ]; then
        if [ "$running" = "$tried" ]; then
            id=$tried # the name may be another container's by now
            return 0
        fi
        end_overdue || answer running
    fi
    remember
    # From here on by its ID: a deploy may give the name to another container while this one runs.
    tried=$id before=$started
    failure=$(start_containers "$id" 2>&1)
}

# A run whose script was killed, or that began when its script had given up: nobody else stops it, and it would block the job for ever.
end_overdue() {
    own=$id
    for id in $running; do
        # shellcheck disable=SC2046
        set -- $(inspect '{{.State.StartedAt}} {{index .Config.Labels "ftl.when"}}' "$id")
        [ $# = 9 ] && begun=$(date -d "$1" +%s) && [ $((moment - begun)) -gt $(($9 + 120)) ] || return 1
        docker stop -t 10 "$id" >/dev/null 2>&1 || return 1
        remember
        overdue=$9
    done
    id=$own
}

# The run is identified by its start: a script that is late must not stop the next one.
is_running() { # status 1: it has ended; 2: the engine does not answer
    now_is=$(inspect '{{.State.Running}} {{.State.StartedAt}}' "$id")
    [ "$now_is" != "true $begun" ] || return 0
    [ -n "$now_is" ] || docker ps -q >/dev/null 2>&1 || return 2
    return 1
}

end_of_run() {
    # After a restart of the engine the next run may have begun: its end is not ours to tell.
    case $now_is in "false $begun") report_end ;; esac
    exit 0
}

# The engine may restart meanwhile, and `docker wait` end.
stop_in_time() {
    end=$(($(date +%s) + seconds))
    begun=$(inspect '{{.State.StartedAt}}' "$id")
    while :; do
        is_running
        [ "$?" != 1 ] || end_of_run
        left=$((end - $(date +%s)))
        [ "$left" -gt 0 ] || break
        docker_within "$left" wait "$id" >/dev/null 2>&1
        sleep 0.2
    done
    # Again and again: an engine that restarts just then refuses, and nobody else would stop this run.
    pause=1
    until docker stop -t 10 "$id" >/dev/null 2>&1; do
        sleep "$pause"
        [ "$pause" -ge 60 ] || pause=$((pause * 2))
        is_running
        [ "$?" != 1 ] || break
    done
    remember
    report "was stopped by its timeout, after $seconds s"
}

if [ "$mode" != now ]; then
    if ! look; then
        report_gone
        exit 0
    fi
    is_due || exit 0
    # The network of a cluster. Another server may have the job by now.
    [ "$network" != "ftl-c-$project" ] || ! elsewhere "$project" || exit 0
fi
tried='' before='' overdue=''
take_lock || answer "failed $file cannot be locked"
# Once more: a deploy may have removed the container in between.
if ! start && ! start; then
    close_lock 5 # a place that does not answer must not keep the next run waiting
    report 'did not start' # the engine's reason may have an env value in it
    answer "failed $failure"
fi
close_lock 5
# A webhook that hangs does not delay this run, nor its limit.
[ -z "$overdue" ] || notify "$project" job_failure "the job $job was stopped: it ran for longer than its timeout, $overdue s" \
    </dev/null >/dev/null 2>&1 &
if [ "$mode" != now ]; then
    stop_in_time
    exit
fi
(
    trap '' HUP
    stop_in_time
) </dev/null >/dev/null 2>&1 &
answer "started $id"
