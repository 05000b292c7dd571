# Brings this server's proxy to what is live in its cluster, after it was away, and shares certificates between the proxies.
# Follows docker.sh, and lines that set `adopt`, `reload`, `switch` and `share` to the texts of these scripts. Runs on the server,
# by cron: each minute and at boot.
#
# $1: the project; $2: the proxy's container; $3: its admin API's address; $4: "boot": wait until the Swarm answers; "give" or "get":
# only certificates, of this proxy or of another one; "take": those on stdin, whose digest is $5, on a server that is no manager.
# What is live is a config of the Swarm, which FTL takes away before it changes anything, and makes anew afterwards: none
# means that a deploy is under way, or was cut. Certificates are another. Only managers can read them.
set -uf
LC_ALL=C
export LC_ALL
umask 077
project=$1 proxy=$2 admin=$3 how=${4-}

mkdir -p "$HOME/.ftl" && exec 9>"$HOME/.ftl/follow.$project.lock" || exit
case $how in
give | get | take) flock -w 30 9 || exit ;;
*) flock -n 9 || exit 0 ;;
esac

# What cron starts has its errors in a log, of which the end is kept. It is open: the same file stays.
log=$HOME/.ftl/follow.$project.log
case $how in
'' | boot)
    if [ "$(wc -c 2>/dev/null <"$log" || echo 0)" -gt 65536 ]; then
        kept=$(tail -c 32768 "$log")
        printf '%s\n' "$kept" >"$log"
    fi
    ended() { [ "$1" = 0 ] || echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) follow ended with status $1" >&2; }
    trap 'ended $?' EXIT
    trap 'exit 143' TERM
    ;;
esac

# Runs a script inside the proxy. Status 2: it does not run, or is not ours.
inside() { # SCRIPT ARGUMENT...
    [ "$(docker inspect -f '{{.State.Running}} {{index .Config.Labels "ftl.role"}}' "$proxy" 2>/dev/null)" = 'true proxy' ] || return 2
    script=$1
    shift
    docker exec -i "$proxy" sh -c "$script" ftl "$@"
}

# The ID of the only config of a role.
config() { # ROLE
    ids=$(docker config ls -q --filter "label=ftl.project=$project" --filter "label=ftl.role=$1" 2>/dev/null) || return 1
    case $ids in '' | *"
"*) return 1 ;; esac
    echo "$ids"
}

content() { # ID
    docker config inspect -f '{{json .Spec.Data}}' "$1" 2>/dev/null | tr -d '"' | base64 -d
}

adopt() { # compare|adopt ID
    content "$2" | inside "$adopt" "$1" "$project" "$admin" "$reload" "$switch" "$host"
}

# The proxy that gets certificates gives them to the Swarm, those that are new.
give() { # ID of what is live
    digest=$(content "$1" | inside "$share" list "$project") && [ -n "$digest" ] || return 0
    older=$(docker config ls -q --filter "label=ftl.project=$project" --filter label=ftl.role=certificates)
    same=$(docker config ls -q --filter "label=ftl.project=$project" --filter label=ftl.role=certificates \
        --filter "label=ftl.content=$digest")
    [ -z "$same" ] || [ "$older" != "$same" ] || return 0
    if [ -z "$same" ]; then
        content "$1" | inside "$share" pack "$project" | docker config create --label "ftl.project=$project" \
            --label ftl.role=certificates --label "ftl.content=$digest" "ftl-certificates-$(date +%s)-$$" - >/dev/null || return
    fi
    for id in $older; do
        [ "$id" = "$same" ] || docker config rm "$id" >/dev/null
    done
}

take() {
    id=$(config certificates) || return 0
    digest=$(docker config inspect -f '{{index .Spec.Labels "ftl.content"}}' "$id") && [ -n "$digest" ] || return 0
    inside "$share" has "$project" "$digest" </dev/null && return
    content "$id" | inside "$share" take "$project" "$digest" "$admin"
}

case $how in
take)
    inside "$share" has "$project" "$5" </dev/null || inside "$share" take "$project" "$5" "$admin"
    exit
    ;;
get)
    take
    exit
    ;;
give)
    live=$(config live) || exit 0
    give "$live"
    exit
    ;;
esac
tries=0
until host=$(docker node inspect -f "{{index .Spec.Labels \"ftl.host.$project\"}}" self 2>/dev/null); do
    tries=$((tries + 1))
    [ "$how" = boot ] && [ "$tries" -lt 60 ] || exit 0
    sleep 2
done
live=$(config live) || exit 0
adopt compare "$live"
status=$?
if [ "$status" = 1 ]; then
    # A deploy may have begun just before, and be about to switch.
    sleep 2
    [ "$(config live)" = "$live" ] || exit 0
    adopt adopt "$live"
    status=$?
fi
if [ "$(content "$live" | gzip -dc | tar -xOf - issuer)" = "$host" ]; then give "$live"; else take; fi || exit
exit "$status"
