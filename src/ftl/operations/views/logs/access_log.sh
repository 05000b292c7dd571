# Prints a project's lines of the proxy's access log, and as the last line how far the log was read. Runs inside the proxy.
#
# Arguments: the log file, the project, most lines. Then a position in the log, of an earlier last line: file, and number of
# lines. Without one the last lines about the project are printed; with one the lines from there on, those of other
# projects counted among them.
# The last line: file, number of lines, "more" if there are more already, else "end", and "lost" if the log has nothing of
# the position any more, else "whole". A file is known by the checksum of its first line, which has a time of microseconds:
# a rotation gives it another name, and its inode to the next one. The file before a rotation is read first. Only whole
# lines count. No path can pass for the project's field, since a quote in it is written as \".
log=$1 key="\"ftl\":\"$2/" most=$3 file=${4-} lines=${5-0}
identity() { head -n 1 "$1" 2>/dev/null | sha256sum | cut -c 1-32; }
# Both files are open before either is read, and one follows the other: no rotation was in between.
now=/proc/$$/fd/3 before=/proc/$$/fd/4
while :; do
    command exec 3<"$log" || command exec 3</dev/null
    current=$(identity "$now")
    # Their names sort by the time of the rotation.
    older=$(ls "${log%/*}"/access-*.log 2>/dev/null | tail -n 1)
    command exec 4<"${older:-/dev/null}" || command exec 4</dev/null
    [ "$(identity "$log")" != "$current" ] || break
done 2>/dev/null
previous=$(identity "$before")
new=$(wc -l <"$now") old=$(wc -l <"$before")

part() { # FILE FROM NUMBER
    [ "$3" -le 0 ] || tail -n "+$(($2 + 1))" "$1" | head -n "$3"
}
state=whole
if [ -z "$file" ]; then
    { part "$before" 0 "$old"; part "$now" 0 "$new"; } | grep -F "$key" | tail -n "$most"
    read_old=$old read_new=$new
else
    case $file in
    "$current") from_old=$old from_new=$lines ;;
    "$previous") from_old=$lines from_new=0 ;;
    start) from_old=0 from_new=0 ;;
    *) state=lost from_old=0 from_new=0 ;;
    esac
    read_old=$((old - from_old > most ? from_old + most : old))
    most=$((most - (read_old - from_old)))
    read_new=$((new - from_new > most ? from_new + most : new))
    { part "$before" "$from_old" $((read_old - from_old)); part "$now" "$from_new" $((read_new - from_new)); } | grep -F "$key"
fi
[ "$read_old $read_new" = "$old $new" ] && rest='end' || rest='more'
if [ "$read_new" -gt 0 ]; then
    echo "$current $read_new $rest $state"
elif [ "$read_old" -gt 0 ]; then
    echo "$previous $read_old $rest $state"
else
    echo "start 0 $rest $state"
fi
