# Brings this server's proxy to what is live in its cluster, after it was away, and shares certificates between the proxies.
# Follows docker.sh, and lines that set `adopt`, `reload`, `switch` and `share` to the texts of these scripts. Runs on the server,
# by cron: each minute and at boot.
#
# $1: the project; $2: the proxy's container; $3: its admin API's address; $4: "boot": wait until the Swarm answers; "give" or "get":
# only certificates, of this proxy or of another one; "take": those on stdin, whose digest is $5, on a server that is no manager.
# What is live is a config of the Swarm, which FTL takes away before it changes anything, and makes anew afterwards: none
# means that a deploy is under way, or was cut. Certificates are another. Only managers can read them: to each worker with a proxy
# a task of the Swarm brings the certificates, and its own cron lets its proxy use them.
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
    end_calls_with_script
    ;;
esac

# Runs a script inside the proxy. Status 2: it does not run, or is not ours.
inside() { # SCRIPT ARGUMENT...
    [ "$(docker inspect -f '{{.State.Running}} {{index .Config.Labels "ftl.role"}}' "$proxy" 2>/dev/null)" = 'true proxy' ] || return 2
    script=$1
    shift
    docker_within 150 exec -i "$proxy" sh -c "$script" ftl "$@"
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

adopt() { # compare|adopt ID [BASE]
    others=
    [ "$1" = compare ] || others=$(other_sites)
    content "$2" | inside "$adopt" "$1" "$project" "$admin" "$reload" "$switch" "$host" "$others" "${3-}"
}

# Words PROJECT=DIGEST: of each other project that is live here, and in no deploy, the digest of its site on this server.
other_sites() {
    for id in $(docker config ls -q --filter label=ftl.role=live 2>/dev/null); do
        other=$(docker config inspect -f '{{index .Spec.Labels "ftl.project"}}' "$id") || continue
        [ "$other" != "$project" ] && [ "$(project=$other && config live)" = "$id" ] || continue
        at=$(docker node inspect -f "{{index .Spec.Labels \"ftl.host.$other\"}}" self) && [ -n "$at" ] || continue
        site=$(content "$id" | gzip -dc | tar -xOf - "$at/site.json" 2>/dev/null | sha256sum)
        printf '%s ' "$other=${site%% *}"
    done
}

# The proxy that gets certificates gives them to the Swarm, those that are new, and from there to workers.
give() { # ID of what is live
    publish "$1" && hand_over "$1"
}

publish() { # ID of what is live
    digest=$(content "$1" | inside "$share" list "$project") && [ -n "$digest" ] || return 0
    same=$(shared_configs --filter "label=ftl.content=$digest")
    if [ -z "$same" ]; then
        content "$1" | inside "$share" pack "$project" | docker config create --label "ftl.project=$project" \
            --label ftl.role=certificates --label "ftl.content=$digest" "ftl-certificates-$(shared_name)" - >/dev/null
        same=$(shared_configs --filter "label=ftl.content=$digest")
        [ -n "$same" ] || return
    fi
    keep_one
    older=$(shared_configs)
    [ "$older" != "$same" ] || return 0
    # A config that a service has cannot be removed.
    current=$(bringing --filter "label=ftl.content=$digest")
    for id in $(bringing); do
        printf '%s\n' "$current" | grep -qxF "$id" || docker service rm "$id" >/dev/null
    done
    for id in $older; do
        [ "$id" = "$same" ] || docker config rm "$id" >/dev/null
    done
    [ "$(shared_configs)" = "$same" ] # others may have removed them meanwhile
}

shared_configs() { # FILTER...
    docker config ls -q --filter "label=ftl.project=$project" --filter label=ftl.role=certificates "$@"
}

# The same for the same certificates, and names are unique in the Swarm: of the crontabs of two users who deploy, which make them in
# the same second, one does.
shared_name() {
    printf '%s %s' "$project" "$digest" | sha256sum | cut -c 1-20
}

# An earlier FTL has made two with the same certificates so, of which nobody takes any. One that a service has cannot be removed.
keep_one() {
    kept=
    for id in $same; do
        if [ -z "$kept" ]; then
            kept=$id
        elif ! docker config rm "$id" >/dev/null 2>&1; then
            docker config rm "$kept" >/dev/null
            kept=$id
        fi
    done
    same=$kept
}

# The services that bring certificates to workers.
bringing() { # FILTER...
    docker service ls -q --filter "label=ftl.project=$project" --filter label=ftl.role=certificates "$@"
}

# Swarm keeps the task for a worker that is away.
hand_over() { # ID of what is live
    workers=$(docker node ls -q --filter role=worker) && [ -n "$workers" ] || return 0
    shared=$(config certificates) || return 0
    digest=$(docker config inspect -f '{{index .Spec.Labels "ftl.content"}}' "$shared") && [ -n "$digest" ] || return 0
    name=$(docker config inspect -f '{{.Spec.Name}}' "$shared") || return
    image=$(docker inspect -f '{{.Config.Image}}' "$proxy") || return
    sites=$(content "$1" | gzip -dc | tar -tf -) || return
    for node in $workers; do
        at=$(docker node inspect -f "{{index .Spec.Labels \"ftl.host.$project\"}}" "$node") || continue
        # Only a worker that has a proxy of the project.
        printf '%s\n' "$sites" | grep -qxF "$at/site.json" || continue
        [ -z "$(bringing --filter "label=ftl.content=$digest" --filter "label=ftl.node=$node")" ] || continue
        docker service create --detach --quiet --no-resolve-image --name "ftl-certificates-$(shared_name)-$node" \
            --label "ftl.project=$project" --label ftl.role=certificates --label "ftl.content=$digest" --label "ftl.node=$node" \
            --mode replicated-job --constraint "node.id==$node" --restart-condition on-failure --restart-delay 10s \
            --restart-max-attempts 5 --log-driver none --no-healthcheck \
            --config "source=$name,target=/ftl-certificates,mode=0400" \
            --mount "type=volume,source=$proxy-data,target=/data,volume-label=ftl.role=proxy" \
            --user 0 --entrypoint sh "$image" -c "$share" ftl hand "$project" "$digest" >/dev/null ||
            [ -n "$(bringing --filter "label=ftl.content=$digest" --filter "label=ftl.node=$node")" ] || return
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
end=$(date +%s)
case $(docker info -f '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}' 2>/dev/null) in
'active false')
    inside "$share" handed "$project" - "$admin" </dev/null
    exit
    ;;
'active true') end=$((end + 50)) ;;
esac
[ "$how" != boot ] || end=$((end + 120))
# Without a leader: this server is cut off, and may go on with a release of before, until it hears more.
until host=$(docker node inspect -f "{{index .Spec.Labels \"ftl.host.$project\"}}" self 2>/dev/null); do
    [ "$(date +%s)" -lt "$end" ] || exit 0
    flock -u 9 # deploys wait for it
    sleep 5
    flock -n 9 || exit 0
done
live=$(config live) || exit 0
base=$(adopt compare "$live")
status=$?
if [ "$status" = 1 ]; then
    # A deploy may have begun just before, and be about to switch.
    sleep 2
    [ "$(config live)" = "$live" ] || exit 0
    # What another project stores from here on is newer than its site in the Swarm, if that was read before.
    adopt adopt "$live" "$base"
    status=$?
fi
if [ "$(content "$live" | gzip -dc | tar -xOf - issuer)" = "$host" ]; then give "$live"; else take; fi || exit
exit "$status"
