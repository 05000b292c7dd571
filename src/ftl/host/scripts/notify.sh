# Sends messages to the places of a project, and tells whether another server has them and the jobs by now. Follows ftl.proxy's
# docker.sh, which defines `docker`, and records.sh. Runs on the server.
#
# The places are in a file among the release records, which only users of the engine can read: lines "server NAME", "host NAME"
# (whose certificate is checked), "job NAME" (which this server runs), "url EVENT URL" (a webhook) and "apprise EVENT IMAGE URL".

# A power cut may have damaged it: the last line says that it is whole, and the file before it is there then.
notify_file() { # PROJECT
    notify_newest=$(notify_copy "$1" notify)
    case $notify_newest in
    *'{"end": true}') ;;
    *)
        notify_older=$(notify_copy "$1" notify.old)
        notify_newest=${notify_older:-$notify_newest}
        ;;
    esac
    printf '%s\n' "$notify_newest"
}

notify_copy() { # PROJECT FILE
    docker cp "$(record_store):/ftl/$1/$2" - </dev/null 2>/dev/null | tar -xOf - 2>/dev/null
}

# Every user of the server sees command lines: the URL, which is a secret, comes by stdin.
post() { # JSON
    if command -v curl >/dev/null; then
        sed 's/.*/url = "&"/' | curl -gsS -m 20 --retry 3 -o /dev/null -H 'Content-Type: application/json' \
            --data-binary "$1" -K -
    else
        wget -q -T 20 -t 3 -O /dev/null --header='Content-Type: application/json' --post-data="$1" -i -
    fi
}

# Sends through apprise, in a container that ends with it. The URL and the message come by stdin here, too, and no log has what
# apprise says of them. An image that somebody has pruned is pulled again.
by_apprise() { # PROJECT IMAGE; stdin: URL, title, body
    docker_within 300 run --rm -i --label "ftl.project=$1" --label ftl.role=notify --log-driver none \
        --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges --memory 256m --pids-limit 64 \
        --entrypoint python3 "$2" -c 'import os, sys, threading
limit = threading.Timer(60, os._exit, [1])
limit.daemon = True
limit.start()
import apprise
url, title, body = sys.stdin.read().splitlines()
place = apprise.Apprise.instantiate(url, suppress_exceptions=True)
sys.exit(not (place and place.notify(title=title, body=body, notify_type="failure")))'
}

notify() { # PROJECT EVENT TEXT: a text without quotation marks and backslashes
    notify_lines=$(notify_file "$1")
    notify_server=$(printf '%s\n' "$notify_lines" | sed -n 's/^server //p')
    notify_text="$1: $3, on $notify_server"
    notify_json="{\"text\": \"$notify_text\", \"content\": \"$notify_text\", \"event\": \"$2\", \"project\": \"$1\", \
\"server\": \"$notify_server\"}"
    printf '%s\n' "$notify_lines" | while read -r notify_kind notify_event notify_place; do
        case "$notify_kind $notify_event" in
        "url $2") printf '%s\n' "$notify_place" | post "$notify_json" ;;
        "apprise $2") printf '%s\n' "${notify_place#* }" "$1: $3" "on $notify_server" | by_apprise "$1" "${notify_place%% *}" ;;
        esac >/dev/null 2>&1
    done
}

# A server of a cluster that has lost its jobs to another one while it did not answer: its node has a label, and what its crontab
# has is of an earlier time. Only a manager can read it, and after a start not before the others answer. Without an answer all is
# as it was. Status 0: it has lost them.
elsewhere() { # PROJECT
    elsewhere_until=$(($(date +%s) + 120))
    while :; do
        case $(docker info -f '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}' 2>/dev/null) in
        'inactive '* | 'active false') return 1 ;;
        esac
        elsewhere_label=$(docker_within 30 node inspect \
            -f "{{index .Spec.Labels \"ftl.jobless.$1\"}}" self 2>/dev/null) && break
        [ "$(date +%s)" -lt "$elsewhere_until" ] || return 1
        sleep 2
    done
    [ "$elsewhere_label" = true ]
}
