# The deploy user's crontab, of which a project has the lines that end with its mark. Follows replace_file.sh and own_processes.sh. Runs on the server.
#
# $1: "check", "compare" or "write" (jobs), "expire" (a preview) or "follow" (a cluster); $2: the project.
# "check": $3 and so on are time zones; prints what is missing, and exits 3.
# "notify": $3 is the engine's socket (or empty), $4 the text of job.sh, $5 that of certificates.sh, or nothing if no
# certificate is to be checked, $6 anything where it posts to webhooks; exits 3 if the server cannot send messages. Its line has a
# mark of its own.
# "compare": as "write", with the digest of job.sh for its text; prints "lost" where no job may be started, "outdated" where
# job.sh is that of another FTL, and else nothing.
# "checks": prints "lost" where no daily check of certificates is started.
# "write", "expire", "follow": $3 is the engine's socket (or empty), $4 the text of job.sh, expire.sh or follow.sh; "follow" exits 3
# without cron, and keeps $5, by which await_catch_up.sh tells what it was given; stdin has lines:
# fields where the server's clock is UTC|fields elsewhere|arguments of the script after the socket.
set -u
LC_ALL=C
export LC_ALL
PATH=$PATH:/usr/local/bin:/usr/sbin:/sbin
action=$1 project=$2
shift 2

fail() {
    echo "$*"
    exit 3
}

current() {
    listed=$(crontab -l 2>&1) && return
    case $listed in
    *'no crontab for'*) listed= ;;
    *) fail "$listed" ;;
    esac
}

is_utc() {
    zone=$(readlink -f /etc/localtime)
    case ${zone##*/zoneinfo/} in
    UTC | Etc/UTC | Universal | Etc/Universal | Zulu | Etc/Zulu | UCT | Etc/UCT) return 0 ;;
    esac
    [ ! -e /etc/localtime ]
}

if [ "$action" = check ]; then
    command -v crontab >/dev/null || fail 'cron is not installed'
    cron_runs || fail 'cron is not running'
    current
    for tool in flock setsid timeout; do
        command -v "$tool" >/dev/null || fail "there is no \`$tool\`"
    done
    for zone; do
        [ "$zone" = UTC ] || [ -f "/usr/share/zoneinfo/$zone" ] || fail "it does not know the time zone $zone"
    done
    exit 0
fi

# The lines without those of a mark, and then ours. They are read right before: `crontab` has no lock for others.
replace_lines() { # MARK LINES
    current
    others=$(printf '%s\n' "$listed" | awk -v mark="$1" 'substr($0, length($0) - length(mark) + 1) != mark')
    printf '%s' "${others:+$others
}" "${2:+$2
}" | crontab - 2>&1 || fail "cron refuses the crontab"
}

# The lines of what stdin has, for `script`, with `mark`.
limit='' errors='&1'
our_lines() { # SOCKET
    is_utc && utc=yes || utc=
    while IFS='|' read -r in_utc elsewhere arguments; do
        if [ -n "$utc" ]; then fields=$in_utc; else fields=$elsewhere; fi
        printf '%s %ssh "$HOME/.ftl/%s" "%s" %s >/dev/null 2>%s %s\n' \
            "$fields" "$limit" "$script" "$1" "$arguments" "$errors" "$mark"
    done
}

write_script() { # NAME TEXT
    printf '%s' "$2" | replace_file "$HOME/.ftl/$1" 600 || fail "$HOME/.ftl/$1 cannot be written"
}

if [ "$action" = compare ]; then
    command -v crontab >/dev/null || exit 0
    current
    mark="# ftl $project" script=job.sh
    found=$(printf '%s\n' "$listed" | awk -v mark="$mark" 'substr($0, length($0) - length(mark) + 1) == mark' | sort)
    if [ "$found" != "$(our_lines "$1" | sort)" ] || [ ! -s "$HOME/.ftl/$script" ]; then
        echo lost
    elif [ "$(sha256sum <"$HOME/.ftl/$script")" != "$2  -" ]; then
        echo outdated
    fi
    exit 0
fi

if [ "$action" = checks ]; then
    command -v crontab >/dev/null || exit 0
    current
    printf '%s\n' "$listed" | grep -q "# ftl-certificates $project\$" && [ -s "$HOME/.ftl/certificates.sh" ] || echo lost
    exit 0
fi

umask 077
mkdir -p "$HOME/.ftl" && exec 9>"$HOME/.ftl/crontab.lock" || fail "$HOME/.ftl cannot be written"
flock -w 20 9 || fail "another command has $HOME/.ftl/crontab.lock"

if [ "$action" = notify ]; then
    ours=
    if [ -n "$3" ]; then
        ours=$(printf '17 6 * * * sh "$HOME/.ftl/certificates.sh" "%s" %s >/dev/null 2>&1 # ftl-certificates %s' \
            "$1" "$project" "$project")
        write_script certificates.sh "$3"
    fi
    [ ! -e "$HOME/.ftl/job.sh" ] || write_script job.sh "$2" # an earlier FTL's sends nothing
    if command -v crontab >/dev/null; then replace_lines "# ftl-certificates $project" "$ours"; fi
    [ -z "$4" ] || command -v curl >/dev/null || command -v wget >/dev/null || fail 'there is neither curl nor wget'
    [ -n "$3" ] || exit 0
    command -v openssl >/dev/null || fail 'there is no openssl, which reads certificates'
    { command -v crontab >/dev/null && cron_runs; } || fail 'cron is not running'
    exit 0
fi

if ! command -v crontab >/dev/null; then
    [ "$action" != follow ] || fail 'cron is not installed'
    exit 0
fi
current
case $action in
follow)
    mark="# ftl-follow $project" script=follow.sh
    # It has the lock that deploys wait for. It keeps its log short.
    log=$HOME/.ftl/follow.$project.log limit='timeout -k 10 300 ' given=$HOME/.ftl/follow.$project.given
    rm -f "$given"
    errors='>"$HOME/.ftl/follow.'$project'.log"'
    ;;
expire) mark="# ftl-preview $project" script=expire.sh ;;
*) mark="# ftl $project" script=job.sh ;;
esac
ours=$(our_lines "$1")
[ -z "$ours" ] || write_script "$script" "$2"
replace_lines "$mark" "$ours"
if [ "$action" = follow ]; then
    if [ -z "$ours" ]; then
        rm -f "$log"
    else
        cron_runs || fail 'cron is not running'
        printf %s "$3" >"$given"
    fi
fi
