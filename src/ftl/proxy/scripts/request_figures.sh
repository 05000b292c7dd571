# Prints how many requests of a project took how long, by service, from the access log. Runs inside the proxy.
#
# Arguments: the log file, the project, seconds to look back, lines to read at most. The first line: seconds that these
# lines go back. Each other line: service, 1 if the answer was 500 or more, the
# step of the duration (so that a line stands for many requests), number of requests. Steps are eighths between powers of
# two of milliseconds plus one: some awks have no logarithm (busybox in Debian). The file may have been rotated just now:
# the one before it comes first. No path can pass for another field, since a quote in it is written as \".
folder=${1%/*}
older=$(ls -t "$folder"/access-*.log 2>/dev/null | head -n 1)
cat ${older:+"$older"} "$1" 2>/dev/null | tail -n "$4" | awk -v now="$(date +%s)" -v seconds="$3" -v most="$4" -v key="\"ftl\":\"$2/" '
BEGIN { since = now - seconds }
function after(name) {
    return match($0, "\"" name "\":[-+.e0-9]+") ? substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 3) + 0 : 0
}
NR == 1 { first = after("ts") }
(at = index($0, key)) && after("ts") > since {
    service = substr($0, at + length(key))
    sub(/".*/, "", service)
    power = 0
    for (left = after("duration") * 1000 + 1; left >= 2; left /= 2) power++
    count[service " " (after("status") >= 500) " " power * 8 + int((left - 1) * 8)]++
}
END {
    print ((NR == most && first > since) ? now - first : seconds)
    for (each in count) print each, count[each]
}'
