# Removes a preview whose time is over: what `ftl remove --volumes --backups` of its project removes, by the project's
# label. Follows ftl.proxy's docker.sh, which sets `socket`, records.sh and lock_file.sh. `$removal` is the text of remove_backups.sh.
# Runs on the server, by cron.
#
# $1: the project; $2: the proxy's container; $3: not used any more; $4: the folder of the release records in their
# container.
# The first value of preview.json says when the preview ends: who deploys it again moves that, perhaps as another user,
# whose crontab has a line of its own. The lines of a preview that is gone are removed by the scripts they start.
# The time is written last, so that a removal that was cut short goes on with the next call.
set -uf
LC_ALL=C
export LC_ALL
project=$1 proxy=$2 records=$4
mine="label=ftl.project=$project"

# Sets `until`; empty where the project is no preview. Status 1: the engine does not answer.
look() {
    store=$(record_store)
    if [ -z "$store" ]; then
        until=''
        docker ps -q >/dev/null 2>&1 && ! has_records
        return
    fi
    preview=$(stored preview.json)
    until=$(end_in "$preview")
    [ -n "$until" ] || [ "$preview" = '{"ended": true}' ] || until=$(end_of_damaged)
    [ -n "$until" ] || [ -n "$preview" ] || is_gone
}

# Status 1: the engine does not answer, or the file is there: it could not be read just before.
is_gone() {
    problem=$(docker cp "$store:$records/$project/preview.json" - 2>&1 >/dev/null) && return 1
    case $problem in
    *'ould not find the file'* | *'o such container'*) return 0 ;;
    esac
    return 1
}

stored() { # FILE
    docker cp "$store:$records/$project/$1" - 2>/dev/null | tar -xOf - 2>/dev/null
}

end_in() { # CONTENT
    printf '%s\n' "$1" | sed -n '1s/^{"until": \([0-9][0-9]*\),.*}$/\1/p'
}

# A power cut damages a file that was written just before: three days after that, and not before the end that the file
# before it has. FTL (preview.py) shows the same. One without a time is of an earlier FTL, for which an empty file was the end.
# One that is missing beside an older one: the engine was killed while it replaced it.
end_of_damaged() {
    older=$(end_in "$(stored preview.json.old)")
    place=$(mktemp -d) || return
    docker cp "$store:$records/$project/preview.json" - 2>/dev/null | tar -xf - -C "$place" 2>/dev/null
    written=$(stat -c %Y "$place/preview.json" 2>/dev/null)
    rm -rf "$place"
    case $written in
    '') echo "$older" ;;
    0) ;;
    *)
        end=$((written + 259200))
        [ "${older:-0}" -le "$end" ] || end=$older
        echo "$end"
        ;;
    esac
}

take_lock() {
    engine=$(docker info -f '{{.ID}}' 2>/dev/null) && [ -n "$engine" ] || return 1
    key=$(printf 'ftl-lock\0%s\0%s' "$engine" "$project" | sha256sum)
    take_deploy_lock "${key%% *}" 'the server (the preview ends)'
}

# forget MARK: removes the lines of this user's crontab that end so.
forget() {
    exec 9>"$HOME/.ftl/crontab.lock" && flock -w 30 9 || return
    # Without a crontab there is nothing to remove, and one that cannot be read is not replaced.
    if listed=$(crontab -l 2>/dev/null); then
        printf '%s\n' "$listed" | awk -v mark="$1" 'substr($0, length($0) - length(mark) + 1) != mark' | crontab -
    fi
    exec 9>&-
}

# in_files COMMAND...: in the proxy, or beside one that is stopped: it stays so.
in_files() {
    if [ "$(docker inspect -f '{{.State.Running}}' "$proxy" 2>/dev/null)" = true ]; then
        docker exec "$proxy" "$@"
    else
        run_with "$proxy" "$@"
    fi
}

# run_with CONTAINER COMMAND...: in a short-lived container of the proxy's image, with the volumes of a container.
run_with() {
    of=$1 command=$2
    shift 2
    image=$(docker inspect -f '{{.Image}}' "$proxy" 2>/dev/null) || image=$(docker inspect -f '{{.Image}}' "$of")
    docker_within 300 run --rm --network none --label ftl.role=transfer --volumes-from "$of" \
        --entrypoint "$command" "$image" "$@"
}

# The names of its live files are PROJECT.SERVICE: the dot ends the project's name, which has none. Requests are answered
# with 503 from now on. Caddy's own configuration still has the routes: only FTL writes that, with the next deploy of
# any project, from the sites that are left.
remove_routes() {
    docker inspect --type container "$proxy" >/dev/null 2>&1 || return 0
    # shellcheck disable=SC2016
    in_files sh -c 'rm -f "/config/ftl/sites/$1.json" && rm -f "/config/ftl/copies/$1.json" /config/live/"$1".*' \
        ftl "$project" >/dev/null 2>&1 || return 1
    for network in "ftl-p-$project" "ftl-c-$project"; do
        docker network disconnect --force "$network" "$proxy" >/dev/null 2>&1
    done
    return 0
}

# remove_containers LIMIT FILTER...: those of the project. Without a role one only inherits the label of an image of its.
# shellcheck disable=SC2086
remove_containers() {
    limit=$1
    shift
    ids=$(docker ps -aq --no-trunc --filter "$mine" --filter label=ftl.role "$@") || return 1
    [ -n "$ids" ] || return 0
    docker_within $((limit + 60)) stop -t "$limit" $ids >/dev/null 2>&1
    docker_within 300 rm --force --volumes $ids >/dev/null
}

# Before their jobs go, which name the folders and have images that read them: a removal that is cut here finds them
# again with the next call. They are stopped first, and make none any more.
remove_backups() {
    jobs=$(docker ps -aq --no-trunc --filter "$mine" --filter label=ftl.role=job) || return 1
    [ -n "$jobs" ] || return 0
    # shellcheck disable=SC2086
    docker_within 90 stop -t 30 $jobs >/dev/null 2>&1
    for id in $jobs; do
        docker inspect -f '{{.Image}} {{range .Mounts}}{{if eq .Destination "/backups"}}{{.Source}}{{end}}{{end}}' "$id"
    done | sort -u | while read -r image folder; do
        [ "${folder##*/}" = "$project" ] || continue
        docker_within 300 run --rm --network none --user 0 --label ftl.role=transfer -v "${folder%/*}:/backups" \
            --entrypoint sh "$image" -c "$removal" sh "$project" </dev/null >/dev/null 2>&1
    done
    return 0 # a folder that is gone already is none
}

# Tags that FTL gave: others are the user's, or those of an image that was built from one of ours and has its label.
# shellcheck disable=SC2086
remove_images() {
    docker images --filter "$mine" --format '{{.Repository}}:{{.Tag}}' |
        grep -E "^$project-[^/:]+:(latest|r[0-9]+|c[0-9a-f]{12})\$" | while read -r tag; do
        docker rmi "$tag" </dev/null >/dev/null 2>&1
    done
    ids=$(docker images -q --no-trunc --filter "$mine" --filter dangling=true)
    [ -z "$ids" ] || docker rmi $ids >/dev/null 2>&1
    return 0 # another container may use one; it costs only disk space
}

# Images of registries that FTL brought, by their marks (ftl.engine's marks.py): ftl-mark/PROJECT/NAME:TAG.ID, with `__` for the
# colon before a port. If another project has marked one, too, only what no other was pulled by goes, and if a container uses it, only
# this mark. The mark goes last.
remove_pulled() {
    listed=$(docker images --no-trunc --format '{{.ID}} {{.Repository}}:{{.Tag}}' | grep -v ':<none>$')
    printf '%s\n' "$listed" | grep -F " ftl-mark/$project/" | while read -r id mark; do
        others=$(printf '%s\n' "$listed" | grep -F "$id " | grep -vF " ftl-mark/$project/")
        case $others in
        *" ftl-mark/"*) leave_to_others "$id" "${mark#"ftl-mark/$project/"}" ;;
        *) [ -n "$(docker ps -aq --filter "ancestor=$id")" ] || remove_names "$id" "${mark#"ftl-mark/$project/"}" ;;
        esac
        docker rmi "$mark" </dev/null >/dev/null 2>&1
    done
    return 0
}

# read_mark NAME:TAG.ID: sets `name`, and `pulled`, the tag that the image was pulled by.
read_mark() {
    name=${1%:*} tag=${1##*:}
    case $name in */*) name=$(printf '%s\n' "${name%%/*}" | sed 's/__/:/')/${name#*/} ;; esac
    pulled=$name:${tag%.*}
}

# leave_to_others ID NAME:TAG.ID: drops the tag that the preview pulled, but one that another project pulled it by, too. With the last
# tag of a repository the engine drops its digests: a project that has no tag of it there takes this one over, by a mark.
leave_to_others() {
    read_mark "$2"
    ours=$pulled taken=''
    printf '%s\n' "$others" | grep -qxF "$1 $ours" || return 0
    marks=$(printf '%s\n' "$others" | sed -n 's|^[^ ]* ftl-mark/||p')
    for theirs in $marks; do
        [ "${theirs#*/}" != "$2" ] || return 0
    done
    for theirs in $marks; do
        read_mark "${theirs#*/}"
        [ "$name" = "${ours%:*}" ] || continue
        printf '%s\n' "$others" | grep -qxF "$1 $pulled" && continue
        taken=$ours
        docker tag "$1" "ftl-mark/${theirs%%/*}/$2" </dev/null >/dev/null 2>&1
    done
    [ -n "$taken" ] || docker rmi "$ours" </dev/null >/dev/null 2>&1
}

# remove_names ID NAME:TAG.ID: those that an image was pulled by, without its mark; it has no others but those in `others`.
remove_names() {
    read_mark "$2"
    printf '%s\n' "$others" | grep -qxF "$1 $pulled" && docker rmi "$pulled" </dev/null >/dev/null 2>&1
    [ -z "$others" ] || [ "$others" = "$1 $pulled" ] || return 0 # one that the user gave keeps the image
    docker image inspect -f '{{range .RepoDigests}}{{println .}}{{end}}' "$1" | while read -r digest; do
        [ "${digest%@*}" != "$name" ] || docker rmi "$digest" </dev/null >/dev/null 2>&1
    done
}

# Release records hold the values of env. The audit stays, with an entry for this. Last, the file that says preview. A power
# cut leaves each file as it was, or as it is to be.
forget_records() {
    entry="{\"time\": $(date +%s), \"by\": \"the server\", \"command\": \"preview down\", \"release\": \"\", \"outcome\": \"done\"}"
    # shellcheck disable=SC2016
    run_with "$store" sh -c '
        rm -rf "$1/.job-logs/$2"
        cd "$1/$2" || exit
        umask 077
        end="{\"end\": true}" audit=audit.jsonl
        [ "$(tail -n 1 audit.jsonl 2>/dev/null)" = "$end" ] || [ ! -e audit.jsonl.old ] || audit=audit.jsonl.old
        { grep -vxF "$end" "$audit" 2>/dev/null; printf "%s\n" "$3" "$end"; } >audit.jsonl.new &&
            sync audit.jsonl.new && mv -f audit.jsonl.new audit.jsonl &&
            find . -type f ! -name audit.jsonl ! -name preview.json -exec rm -f {} + && sync . &&
            echo "{\"ended\": true}" >preview.json.new && sync preview.json.new &&
            mv -f preview.json.new preview.json && sync .' \
        ftl "$records" "$project" "$entry" >/dev/null 2>&1
}

look || exit 0
if [ -z "$until" ]; then
    forget "# ftl-preview $project"
    exit
fi
[ "$(date +%s)" -ge "$until" ] || exit 0
take_lock || exit 0 # it is being deployed, or removed: the next call looks again
look && [ -n "$until" ] && [ "$(date +%s)" -ge "$until" ] || exit 0
forget "# ftl $project"
forget "# ftl-certificates $project"
remove_routes || exit
remove_containers 10 --filter label=ftl.role=service || exit
remove_backups || exit
remove_containers 30 || exit
for network in $(docker network ls -q --no-trunc --filter "$mine"); do
    docker network rm "$network" >/dev/null || exit
done
for volume in $(docker volume ls -q --filter "$mine"); do
    docker_within 300 volume rm "$volume" >/dev/null || exit
done
remove_images
remove_pulled
forget_records || exit
forget "# ftl-preview $project"
