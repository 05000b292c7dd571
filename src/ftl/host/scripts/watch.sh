# Watches a release after its switch, and sends requests to the one before again if it fails. Follows docker.sh and
# lock_file.sh (which has its own variables). Runs on the server, in the background, whatever
# becomes of the session that started it. See docs/decisions/0028.
#
# $1: the project; $2: the release; $3: seconds to watch, from the switch; $4: seconds for a container to stop; $5:
# seconds for containers to finish their requests; $6: the proxy's container; $7: its admin API's address; $8: its access
# log; $9: the text of request_figures.sh; $10: that of switch.sh; $11: the folder of release records in their container;
# $12: the text of reload.sh; $13, $14: those of crontab.sh and job.sh, if there is a line "crontab".
# stdin: the lock's key; our name for others who want the lock; the beginning of the JSON object that says how it ended;
# then lines "service NAME OLD-ALIAS NEW-ALIAS", "old ID", "idle ID" (an old container that does not run meanwhile), "new ID",
# "job NEW-ID NEW-NAME OLD-ID NAME" ("- -" in place of a container that there is not); where the crontab changes, "crontab", and for
# each line of the release before "cron FIELDS|FIELDS|NAME" (crontab.sh); where routes change, "base DIGEST" of the proxy's
# configuration, "also NAME" for each other service with routes, and "routes back ARCHIVE" and "routes on ARCHIVE" with the next
# one (base64) if the release is taken back or stays.
# stdout: "watching", once it runs, or "failed REASON".
# Nothing has to be told when another operation takes over: it has the lock while it acts, and afterwards the live files
# or the old containers are others, which ends the watch.
set -u
LC_ALL=C
export LC_ALL
project=$1 release=$2 seconds=$3 stop=$4 drain=$5 proxy=$6 admin=$7 log=$8 figures=$9
shift 9
switch=$1 records=$2 reload=$3 crontab=$4 job_script=$5
IFS= read -r key && IFS= read -r holder && IFS= read -r result || exit 2
names='' files='' forward='' back='' old='' idle='' fresh='' owners='' jobs=''
writes_crontab='' cron='' base='' routes_back='' routes_on=''
while read -r kind first second third fourth; do
    case $kind in
    service)
        service=$first names="$names $first" files="$files $project.$first"
        back="$back $project.$first=$second" forward="$forward$third "
        ;;
    old) old="$old $first" ;;
    idle) idle="$idle $first" ;;
    new) fresh="$fresh $first" owners="$owners $first=$service" ;;
    job) jobs="$jobs $first $second $third $fourth" ;;
    crontab) writes_crontab=yes ;;
    cron) cron="$cron$first $second $third $fourth
" ;;
    base) base=$first ;;
    also) names="$names $first" ;;
    routes) if [ "$first" = back ]; then routes_back=$second; else routes_on=$second; fi ;;
    esac
done

for tool in flock mktemp awk tar ${base:+base64}; do
    command -v "$tool" >/dev/null || { echo "failed there is no \`$tool\` on the server"; exit 3; }
done

now() {
    date +%s
}

# Lines "SERVICE FAILED STEP NUMBER" of the requests of some seconds.
requests() { # SECONDS LINES
    docker exec "$proxy" sh -c "$figures" ftl "$log" "$project" "$1" "$2" </dev/null 2>/dev/null | awk 'NF == 4'
}

# What decides where requests go: the aliases in the live files, and where routes change, the digest of those that go with the
# release before; then "end": without it, the proxy did not answer.
# shellcheck disable=SC2016
state='cd /config/live && site=$1 && shift && for file; do cat "$file" 2>/dev/null; echo; done &&
    { [ -z "$site" ] || sed -n "/^ \"transition\": {/,/^ }/p" "../ftl/sites/$site" | sha256sum; } && echo end'
live() { # FILE...
    docker exec "$proxy" sh -c "$state" sh "${base:+$project.json}" "$@" </dev/null 2>/dev/null | tr '\n' ' '
}

# Lines "ID STATUS RESTARTS POLICY WANTED-POLICY".
inspect() {
    docker inspect --type container -f '{{.Id}} {{.State.Status}} {{.RestartCount}} {{.HostConfig.RestartPolicy.Name}} '\
'{{with index .Config.Labels "ftl.restart"}}{{.}}{{else}}always{{end}}' "$@" </dev/null 2>/dev/null
}

# Lines "ID RESTARTS" of the new containers.
restarts() {
    # shellcheck disable=SC2086
    inspect $fresh | awk '{ print $1, $3 }'
}

# How often new containers were restarted since the switch, and of which services: "3 web, worker". "again" after a
# restart of the engine, which counts from 0.
restarted_since() {
    {
        echo "$restarted" | sed 's/^/was /'
        restarts | sed 's/^/now /'
    } | awk -v owners="$owners" '
BEGIN {
    count = split(owners, list, " ")
    for (each = 1; each <= count; each++) { split(list[each], pair, "="); owner[pair[1]] = pair[2] }
}
$1 == "was" { was[$2] = $3 }
$1 == "now" {
    more = $3 - was[$2]
    if (more < 0) again = 1
    if (more > 0) {
        sum += more
        if (!(owner[$2] in seen)) { seen[owner[$2]]; services = services (services ? ", " : "") owner[$2] }
    }
}
END { if (again) print "again"; else print sum + 0, services }'
}

# The services of containers, once each: "web, worker".
services_of() { # ID...
    for id; do
        for pair in $owners; do
            [ "${pair%%=*}" != "$id" ] || echo "${pair#*=}"
        done
    done | awk '!($0 in seen) { seen[$0]; text = text (text ? ", " : "") $0 } END { print text }'
}

# A service whose requests fail: five of them at least, one in ten, and three times as many as before the switch.
failing() {
    {
        echo "$before" | sed 's/^/before /'
        requests "$1" 5000 | sed 's/^/now /'
    } | awk -v names="$names " '
NF == 5 && index(names, " " $2 " ") { all[$1 " " $2] += $5; if ($3) bad[$1 " " $2] += $5 }
END {
    count = split(names, list, " ")
    for (each = 1; each <= count; each++) {
        key = "now " list[each]; past = "before " list[each]
        if (!bad[key]) continue
        share = bad[key] / all[key]; was = all[past] ? bad[past] / all[past] : 0
        if (bad[key] >= 5 && share >= 0.1 && share >= 3 * was) {
            printf "%s answered %d of %d requests with 5xx (%d %%, %d %% before)", list[each], bad[key], all[key], share * 100, was * 100
            exit
        }
    }
}'
}

# Sets `ended` if the watch is over, `finding` if the release fails. Status 1: the server does not answer now.
look() {
    ended='' finding=''
    # shellcheck disable=SC2086
    case $(live $files) in
    "$forward$both"'end ') ;;
    "$forward"*'end ')
        ended='another operation has changed the routes'
        return
        ;;
    *'end ')
        ended='another operation has switched'
        return
        ;;
    *) return 1 ;;
    esac
    # shellcheck disable=SC2086
    states=$(inspect $old $idle $fresh)
    # shellcheck disable=SC2086
    for id in $old $idle $fresh; do
        case $states in
        *"$id "*) ;;
        *)
            # An engine that does not answer has removed nothing.
            docker ps -q >/dev/null 2>&1 </dev/null || return 1
            ended='another operation has removed containers'
            return
            ;;
        esac
    done
    for id in $old; do
        case $states in
        *"$id running "*) ;;
        *)
            ended="the containers of the release before do not run any more"
            return
            ;;
        esac
    done
    stopped=$(echo "$states" | while read -r id status _ policy wanted; do
        case $fresh in *"$id"*) ;; *) continue ;; esac
        # `ftl stop` takes the restart policy away.
        [ "$policy" = "${wanted%%:*}" ] || { echo taken; break; }
        case $status in exited | dead) [ "$policy" = no ] || echo "$id" ;; esac
    done)
    case $stopped in
    *taken*)
        ended='another operation has stopped it'
        return
        ;;
    ?*)
        # shellcheck disable=SC2086
        finding="containers of $(services_of $stopped) exited"
        return
        ;;
    esac
    count=$(restarted_since)
    [ "$count" != again ] || { restarted=$(restarts) count=0; }
    if [ "${count%% *}" -ge 2 ]; then
        finding="containers of ${count#* } were restarted ${count%% *} times"
        return
    fi
    age=$(($(now) - switched))
    [ "$age" -ge 10 ] || return 0
    finding=$(failing "$((age < 30 ? age : 30))")
}

# Lets containers finish their requests.
finish_requests() {
    addresses=$(docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}' "$@" </dev/null 2>/dev/null)
    limit=$(($(now) + drain))
    sleep "$((drain < 2 ? drain : 2))" # a request may have read the live file just before
    while [ "$(now)" -lt "$limit" ]; do
        busy=$(docker exec "$proxy" timeout 5 wget -q -O - "http://$admin/reverse_proxy/upstreams" </dev/null 2>/dev/null |
            tr '{' '\n' | grep -v '"num_requests":0[,}]')
        open=''
        for address in $addresses; do
            case $busy in *"\"$address:"*) open=yes ;; esac
        done
        [ -n "$open" ] || return 0
        sleep 1
    done
}

# Writes how it ended. By a tar stream: a docker command from a snap sees no file in /tmp. The engine writes in place and syncs
# nothing: first what was before, and then the proxy, whose files are on the same disk, syncs that.
report() { # OUTCOME REASON
    store=$(of_role state)
    [ -n "$store" ] && place=$(mktemp -d) || return 1
    printf '%s, "outcome": "watching"}\n' "$result" >"$place/$release.watch.json.old"
    printf '%s, "outcome": "%s", "time": %s, "reason": "%s"}\n' "$result" "$1" "$(now)" "$2" >"$place/$release.watch.json"
    tar -C "$place" -cf - "$release.watch.json.old" "$release.watch.json" |
        docker cp - "$store:$records" >/dev/null 2>&1
    rm -rf "$place"
    docker exec "$proxy" sync -f /config/live </dev/null >/dev/null 2>&1
    return 0
}

# A deploy that was killed behind its switch may have renamed none.
give_name() { # ID NAME
    [ "$(docker inspect -f '{{.Name}}' "$1" </dev/null)" = "/$2" ] || docker rename "$1" "$2"
}

# Gives jobs their old containers and the crontab its lines of before; a run that is under way goes on.
take_jobs_back() {
    lost=''
    while [ "$#" -ge 4 ]; do
        [ "$1" = - ] || give_name "$1" "$2"
        # The name that cron starts.
        [ "$3" = - ] || give_name "$3" "$4" || lost=yes
        shift 4
    done
    if [ -n "$writes_crontab" ]; then
        printf %s "$cron" | sh -c "$crontab" ftl-crontab write "$project" "$socket" "$job_script" || lost=yes
    fi
    [ -z "$lost" ]
}

# Leaves the proxy the routes of one release. Where that fails, as after a deploy of another project, it has both until the next
# deploy, and the live files go on deciding between them.
drop_routes() { # ARCHIVE
    [ -n "$1" ] || return 0
    # shellcheck disable=SC2016
    printf %s "$1" | base64 -d | docker exec -i "$proxy" sh -c 'cd /config/ftl && rm -rf "next/$1" && mkdir -p "next/$1" &&
        gzip -dc | tar -xf - -C "next/$1"' sh "watch-$project" >/dev/null 2>&1 &&
        docker_within 120 exec "$proxy" sh -c "$reload" ftl "watch-$project" "$base" "$project" "$admin" </dev/null >/dev/null 2>&1
    return 0
}

# shellcheck disable=SC2086
go_back() {
    for id in $idle; do
        docker update --restart "$(inspect "$id" | awk '{ print $5 }')" "$id"
        docker start "$id"
    done
    # First: who sees the old release serve again must also see why. A release that recovers before the proxy answers
    # gets another report at its end.
    report switched_back "$finding"
    # Where routes change, the proxy has those of both releases, and the same rename takes them back.
    docker exec "$proxy" sh -c "$switch" ftl $back || return 1
    take_jobs_back $jobs ||
        report switched_back "$finding; jobs of $project could not be taken back, and need a deploy"
    finish_requests $fresh
    docker update --restart no $fresh
    docker_within $((stop + 60)) stop -t "$stop" $fresh
    drop_routes "$routes_back"
}

# shellcheck disable=SC2086
retire_old() {
    finish_requests $old
    docker_within $((stop + 60)) stop -t "$stop" $old
    docker rm --force --volumes $old $idle
    drop_routes "$routes_on"
    report passed ''
}

watch() {
    # The switch comes next; a deploy that fails before it never comes to it.
    begun=$(now)
    # shellcheck disable=SC2086
    until [ "$(live $files)" = "$forward$both"'end ' ]; do
        [ $(($(now) - begun)) -lt 120 ] || exit
        sleep 0.5
    done
    switched=$(now) found=0
    while :; do
        sleep 5
        look || continue
        if [ -n "$ended" ]; then
            # A deploy that fails puts back what it has changed: only what stays when it is over counts.
            take_deploy_lock "$key" "$holder" || continue
            if look && [ -n "$ended" ]; then
                report ended "$ended"
                exit
            fi
            close_lock 5
            continue
        fi
        if [ -n "$finding" ]; then found=$((found + 1)); else found=0; fi
        # One bad look may be the last requests of a moment that is over.
        if [ "$found" -ge 2 ] && take_deploy_lock "$key" "$holder"; then
            # Another operation may have ended in between.
            look && [ -z "$ended" ] && [ -n "$finding" ] && go_back && exit
            close_lock 5
        elif [ "$found" = 0 ] && [ $(($(now) - switched)) -ge "$seconds" ] && take_deploy_lock "$key" "$holder"; then
            look && [ -z "$ended" ] && [ -z "$finding" ] && retire_old && exit
            close_lock 5
        fi
    done
}

both=$(live)
case $both in
*'end ') both=${both%end } ;;
*) echo "failed the proxy does not answer"; exit 3 ;;
esac
before=$(requests 300 20000)
restarted=$(restarts)
(
    trap '' HUP INT PIPE
    watch
) </dev/null >/dev/null 2>&1 &
echo watching
