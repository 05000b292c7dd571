# Stops containers and starts others in their place; takes that back where these do not start, where it is asked to, and by
# itself where FTL is gone before its plan was decided. Follows docker.sh and lock_file.sh. Runs on the server. See
# docs/decisions/0039.
#
# $1: the proxy's container; $2: the record that says "live" once the plan is decided, PROJECT/rN.json, or nothing; from $3: live
# files that say the same, PROJECT.SERVICE=ALIAS.
# stdin: the deploy lock's key, empty in a cluster, of which one server alone cannot tell what is decided: it takes nothing back
# by itself; our name for others who want the lock. Then lines
# "replace NUMBER CONTAINER...", "back NUMBER", and at the end "end". A container is old:ID:SECONDS:AGAIN:NAME:PARKED or
# new:ID:SECONDS:NAME:FRESH: seconds to stop, whether it is started again, its name, and that while the other one runs; - where it
# keeps its name.
# stdout: "ready"; for each replace "started NUMBER", or "failed NUMBER REASON" once it is taken back; for each back "back NUMBER",
# or "stuck NUMBER REASON" where an old container does not run.
# FTL is gone at the end of the input, and where the lock is free: a cable that was pulled ends no input.
set -uf
LC_ALL=C
export LC_ALL
# Deaf to what ends a session.
trap '' HUP INT TERM PIPE
docker() { docker_within 60 "$@" </dev/null; }
proxy=$1 record=$2
shift 2
live=$*
IFS= read -r key && IFS= read -r holder || exit 2
numbers=''

# The containers of a replacement, a line each, without their kind.
containers() { # KIND NUMBER
    eval "set -- \"\$1\" \$list_$2"
    kind=$1
    shift
    for entry; do
        case $entry in "$kind":*) printf '%s\n' "${entry#*:}" | tr : ' ' ;; esac
    done
}

# Whether a container runs: "true", "false" or "gone". Waits for an engine that is being restarted, for five minutes, by the clock: each
# question may take its time; nothing: it does not come back.
state() { # ID
    patience=$(($(date +%s) + 300))
    # Where it fails it prints an empty line.
    until runs=$(docker_within 20 inspect --type container -f '{{.State.Running}}' "$1" 2>/dev/null </dev/null); do
        ! docker_within 20 ps -q >/dev/null 2>&1 </dev/null || { echo gone; return; }
        [ "$(date +%s)" -lt "$patience" ] || return
        sleep 2
    done
    echo "$runs"
}

policy() { # ID
    docker inspect -f '{{with index .Config.Labels "ftl.restart"}}{{.}}{{else}}always{{end}}' "$1"
}

# Status 1: one of them goes on. An engine that was restarted meanwhile has started them again.
stop_all() { # KIND NUMBER
    attempt=0
    while :; do
        running=''
        while read -r id seconds _; do
            case $(state "$id") in
            true)
                running=$id
                docker_within $((seconds + 60)) stop -t "$seconds" "$id" </dev/null >/dev/null 2>&1 &
                ;;
            '') return 1 ;;
            esac
        done <<END
$(containers "$1" "$2")
END
        [ -n "$running" ] || return 0
        wait
        attempt=$((attempt + 1))
        [ "$attempt" -lt 4 ] || return 1
    done
}

# Status 1: one of them goes on all the same.
kill_all() { # KIND NUMBER
    containers "$1" "$2" | while read -r id _; do
        [ "$(state "$id")" != true ] || docker kill "$id" >/dev/null 2>&1
        case $(state "$id") in false | gone) ;; *) exit 1 ;; esac
    done
}

take_policies() { # KIND NUMBER
    containers "$1" "$2" | while read -r id _; do docker update --restart no "$id" >/dev/null 2>&1; done
}

# One that never ran is started by no reboot: it has its policy in time.
give_policies() { # NUMBER STATUS...: to new containers of these statuses
    containers new "$1" | while read -r id _; do
        case " $* " in
        *" $(docker inspect -f '{{.State.Status}}' "$id") "*) docker update --restart "$(policy "$id")" "$id" >/dev/null ;;
        esac
    done
}

# A power cut after the last call for the old containers, before the new ones have started, leaves neither. The other order would
# leave both, on the same data.
replace() { # NUMBER
    said='the old container does not stop'
    give_policies "$1" created
    stop_all old "$1" || return 1
    said=$(
        containers old "$1" | while read -r id _ _ _ parked; do [ "$parked" = - ] || docker rename "$id" "$parked"; done 2>&1
        containers new "$1" | while read -r id _ name _; do [ "$name" = - ] || docker rename "$id" "$name" || exit; done 2>&1
    ) || return 1
    take_policies old "$1"
    said='the old container does not stop'
    stop_all old "$1" || return 1
    give_policies "$1" exited
    # shellcheck disable=SC2046
    said=$(start_containers $(containers new "$1" | cut -d ' ' -f 1) 2>&1)
}

# Status 1, and why in `said`: an old one does not run. What is done already is not done again.
back() { # NUMBER
    said='the new container does not stop'
    take_policies new "$1"
    stop_all new "$1" || kill_all new "$1" || return 1
    take_policies new "$1"
    containers new "$1" | while read -r id _ _ fresh; do [ "$fresh" = - ] || docker rename "$id" "$fresh"; done >/dev/null 2>&1
    containers old "$1" | while read -r id _ _ name _; do [ "$name" = - ] || docker rename "$id" "$name"; done >/dev/null 2>&1
    said='the old container does not start again'
    containers old "$1" | {
        while read -r id _ again _; do
            [ "$again" = 1 ] || continue
            docker update --restart "$(policy "$id")" "$id" >/dev/null 2>&1
            attempt=0
            until docker start "$id" >/dev/null 2>&1; do
                case $(state "$id") in true | gone) break ;; esac
                attempt=$((attempt + 1))
                [ "$attempt" -lt 30 ] || exit 1
                sleep 1
            done
        done
    }
}

replace_or_back() { # NUMBER
    if replace "$1"; then
        echo "started $1"
        return
    fi
    reason=$(printf '%s' "$said" | tr '\n' ' ')
    back "$1" || reason="$reason; $said"
    echo "failed $1 $reason"
}

# --- without FTL --------------------------------------------------------------------------------------

# Sets `content`; of a file that is missing, nothing. Status 1: it cannot be read now.
read_stored() { # CONTAINER PATH
    content=$(docker cp "$1:$2" - 2>/dev/null | { tar -xOf - 2>/dev/null && echo whole; })
    case $content in
    *whole) content=$(printf %s "${content%whole}") ;;
    *)
        problem=$(docker cp "$1:$2" - 2>&1 >/dev/null) && return 1
        content=''
        case $problem in *'ould not find the file'* | *'o such container'*) ;; *) return 1 ;; esac
        ;;
    esac
}

# Status 1: it is not; 2: that cannot be read.
is_decided() {
    for pair in $live; do
        read_stored "$proxy" "/config/live/${pair%%=*}" || return 2
        [ "$content" != "${pair#*=}" ] || return 0
    done
    [ -n "$record" ] || return 1
    # Without the container of the records they are not lost.
    store=$(of_role state)
    [ -n "$store" ] && read_stored "$store" "/ftl/$record" || return 2
    case $content in *'"outcome":"live"'*) return 0 ;; esac
    return 1
}

# Asks for five minutes: to take back what is decided would stop the live release.
know_decided() {
    patience=$(($(date +%s) + 300))
    while :; do
        is_decided
        decided=$?
        [ "$decided" = 2 ] && [ "$(date +%s)" -lt "$patience" ] || return "$decided"
        sleep 2
    done
}

# Nobody has changed anything since: `ftl stop`, for one, takes the restart policies.
is_untouched() { # NUMBER
    containers old "$1" | while read -r id _; do [ "$(state "$id")" = false ] || exit 1; done || return 1
    containers new "$1" | while read -r id _; do
        # shellcheck disable=SC2046
        set -- $(docker inspect -f '{{.HostConfig.RestartPolicy.Name}}' "$id") $(policy "$id")
        wanted=${2-}
        [ "${1-}" = "${wanted%%:*}" ] || exit 1
    done
}

gone() {
    wait
    [ -n "$numbers" ] && [ -n "$key" ] && take_back_lock "$key" "$holder" && [ -n "$(state "$proxy")" ] || return
    know_decided
    case $? in
    0) return ;;
    2)
        logger -t ftl "$holder: whether it was decided cannot be read, all stays as it is" 2>/dev/null
        return
        ;;
    esac
    for number in $numbers; do
        ! is_untouched "$number" || back "$number"
    done
}

# --- with FTL -----------------------------------------------------------------------------------------

# Passes the input on, and ends it where the lock is free.
feed() {
    cat <&3 &
    feeder=$!
    exec >/dev/null 2>&1 3<&-
    watcher=''
    if [ -n "$key" ]; then
        lock_file "$socket" "$key"
        while sleep 5; do
            is_locked 1 -s
            [ "$?" != 1 ] || kill -9 "$feeder"
        done &
        watcher=$!
    fi
    wait "$feeder"
    [ -z "$watcher" ] || kill -9 "$watcher"
}

follow() {
    echo ready
    while read -r word number list; do
        case $word in
        replace)
            numbers="$number $numbers"
            eval "list_$number=\$list"
            replace_or_back "$number" &
            ;;
        back)
            wait
            if back "$number"; then echo "back $number"; else echo "stuck $number $said"; fi
            ;;
        end) exit ;;
        esac
    done
    gone
}

if [ -n "$key" ] && ! keep_lock "$key" "$holder"; then
    echo "$file cannot be locked" >&2
    exit 1
fi
feed 3<&0 6<&- | follow
