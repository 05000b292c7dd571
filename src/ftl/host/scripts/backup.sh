# Writes a dump of a database to a folder, checks it, and removes old ones. Runs on a schedule in a container of the
# database's image with its env, beside the one that it speaks to.
#
# $1: the dependency, which is its host name too; $2: number of backups that stay; $3: the text of dump.sh.
# The folder is /backups. A file gets its name when the dump is whole.
# Status 4: it was made, and is less than half as large as the last one that was not: that one stays, too.
name=$1 keep=$2 dump=$3
umask 077
cd /backups && chmod 700 . || exit
# Of a run that was stopped. By the whole form of the name: the folder is that of all dependencies of the project, and
# `db-2`, whose dump may be under way, begins like `db`.
remove_partial() {
    for file in "$name"-*.partial; do echo "$file"; done | grep -E "^$name-[0-9]{8}-[0-9]{6}[.][a-z]+[.]partial\$" |
        while read -r file; do rm -f "$file"; done
}
remove_partial
fail() {
    echo "$*" >&2
    remove_partial
    exit 1
}

tool=$(sh -c "$dump" sh detect) || fail "the image of $name has no tool that dumps it"
case $tool in
pg_dump) suffix=.dump ;;
mongodump) suffix=.archive ;;
redis-cli) suffix=.rdb ;;
*) suffix=.sql ;;
esac
file=$name-$(date -u +%Y%m%d-%H%M%S)$suffix
sh -c "$dump" sh "$tool" "$name" "$file.partial" >"$file.partial" &
working=$!
# Says how far it is, and ends it where it stands still for an hour, as one that waits for a lock does.
watch() {
    size=0 quiet=0
    while sleep 10 >/dev/null 2>&1; do
        now=$(wc -c <"$file.partial")
        if [ "$now" != "$size" ]; then
            echo "$file: $now bytes so far"
            size=$now quiet=0
        elif [ "$((quiet += 10))" -ge 3600 ]; then
            echo "$tool has written nothing for an hour" >&2
            kill "$working"
            exit
        fi
    done
}
watch &
watching=$!
# The first process of a container ignores signals without a trap, and is killed then: the database would not hear of it.
# Only now: a child that has just been forked would take it over, and not end by TERM.
trap 'kill "$working" "$watching" 2>/dev/null; wait "$working"; fail "it was stopped"' TERM
wait "$working"
status=$?
kill "$watching" 2>/dev/null
[ "$status" = 0 ] || fail "$tool failed with status $status"
[ -s "$file.partial" ] || fail "$tool wrote nothing"
# Beside us, too: a shell has no ear for a signal while it waits for a command in its foreground.
sh -c "$dump" sh check "$tool" "$file.partial" &
working=$!
wait "$working" || fail "$file is not whole"
sync
mv "$file.partial" "$file" || fail "$file cannot be written"
echo "$file: $(wc -c <"$file") bytes"

# Its backups, the oldest first: the names sort by their time. Other files are not ours.
backups() {
    for each in "$name"-*; do echo "$each"; done | grep -E "^$name-[0-9]{8}-[0-9]{6}[.](dump|sql|archive|rdb)\$" | sort
}
# Tables that are gone by mistake must not push out the backups that have them. By the files alone, so that it is the same
# at the next run: the last one that is not much smaller than the last one before it that is not.
good='' good_size=0 smaller=''
for each in $(backups); do
    case $each in *"$suffix") ;; *) continue ;; esac
    size=$(wc -c <"$each")
    if [ "$((size * 2))" -lt "$good_size" ]; then
        smaller=$each
    else
        good=$each good_size=$size smaller=''
    fi
done
backups | sort -r | tail -n "+$((keep + 1))" |
    while read -r old; do [ "$old" = "$good" ] || rm -f "$old"; done
[ -n "$smaller" ] || exit 0
echo "$file has less than half of the bytes of $good ($good_size), which stays: data may be missing" >&2
exit 4
