# Writes dumps of a dependency's databases to a folder, checks them, and removes old ones. Runs on a schedule in a container
# of the database's image with its env, beside the one that it speaks to.
#
# $1: the dependency, which is its host name too; $2: number of backups of each database that stay; $3: the text of dump.sh;
# $4 and on: databases that are left out.
# The folder is /backups. A file gets its name when the dump is whole: NAME-TIME for the database that the env names,
# NAME.DATABASE-TIME for each other that has tables.
# Status 1: one was not made; the others were. Status 4: that of the env's database was made, and is less than half as large
# as the last one that was not: that one stays, too. Other databases (a cache, a queue) shrink as they please.
name=$1 keep=$2 dump=$3
shift 3
umask 077
cd /backups && chmod 700 . || exit
stamp='[0-9]{8}-[0-9]{6}'
# Of a run that was stopped. By the whole form of the name: the folder is that of all dependencies of the project, and
# `db-2`, whose dump may be under way, begins like `db`. No dependency's name has a dot.
remove_partial() {
    for file in "$name"[-.]*.partial; do echo "$file"; done |
        grep -E "^${name}([.][A-Za-z0-9_.-]+)?-${stamp}[.][a-z]+[.]partial\$" |
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
time=$(date -u +%Y%m%d-%H%M%S)
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
failed() {
    echo "$*" >&2
    rm -f "$file.partial"
    return 1
}
# Tables that are gone by mistake must not push out the backups that have them. By the files alone, so that it is the same
# at the next run: the last one that is not much smaller than the last one before it that is not.
remove_old() {
    # The oldest first: the names sort by their time. Other files are not ours.
    backups=$(for each in "$base"-*; do echo "$each"; done | grep -E "^$base-${stamp}[.](dump|sql|archive|rdb)\$" | sort)
    good='' good_size=0 smaller=''
    for each in $backups; do
        case $each in *"$suffix") ;; *) continue ;; esac
        size=$(wc -c <"$each")
        if [ "$((size * 2))" -lt "$good_size" ]; then
            smaller=$each
        else
            good=$each good_size=$size smaller=''
        fi
    done
    printf '%s\n' "$backups" | sort -r | tail -n "+$((keep + 1))" |
        while read -r old; do [ "$old" = "$good" ] || rm -f "$old"; done
    [ -n "$smaller" ] || return 0
    echo "$file has less than half of the bytes of $good ($good_size), which stays: data may be missing" >&2
    return 4
}
back_up() { # [DATABASE]
    base=$name${1:+.$1}
    file=$base-$time$suffix
    sh -c "$dump" sh "$tool" "$name" "$file.partial" "$@" >"$file.partial" &
    working=$!
    watch &
    watching=$!
    # The first process of a container ignores signals without a trap, and is killed then: the database would not hear of it.
    # Only now: a child that has just been forked would take it over, and not end by TERM.
    trap 'kill "$working" "$watching" 2>/dev/null; wait "$working"; fail "it was stopped"' TERM
    wait "$working"
    status=$?
    kill "$watching" 2>/dev/null
    [ "$status" = 0 ] || failed "$tool failed with status $status" || return
    [ -s "$file.partial" ] || failed "$tool wrote nothing" || return
    # Beside us, too: a shell has no ear for a signal while it waits for a command in its foreground.
    sh -c "$dump" sh check "$tool" "$file.partial" &
    working=$!
    wait "$working" || failed "$file is not whole" || return
    trap - TERM
    sync
    mv "$file.partial" "$file" || failed "$file cannot be written" || return
    echo "$file: $(wc -c <"$file") bytes"
    remove_old
}

is_one_of() { # VALUE WORD...
    value=$1
    shift
    for word; do [ "$word" != "$value" ] || return 0; done
    return 1
}

back_up
made=$?
trap - TERM
databases=$(sh -c "$dump" sh databases "$tool" "$name") || fail "the other databases of $name cannot be listed"
named=$(printf '%s\n' "$databases" | head -n 1)
if [ "$#" -gt 0 ] && [ -z "$named" ]; then
    echo "a backup of $name is one file, with all of its databases: without leaves none of them out" >&2
    made=1
elif is_one_of "$named" "$@"; then
    echo "the database $named is backed up, although without has it: it is the one that the env of $name names" >&2
    made=1
fi
set -f
IFS='
'
for database in $(printf '%s\n' "$databases" | tail -n +2); do
    set +f
    unset IFS
    ! is_one_of "$database" "$@" || continue
    case $database in
    [!A-Za-z0-9_]* | *[!A-Za-z0-9_.-]*)
        echo "the database $database is not backed up: its name has more than letters, digits, dots, _ and -" >&2
        made=1
        ;;
    *)
        back_up "$database"
        [ "$?" != 1 ] || made=1
        trap - TERM
        ;;
    esac
done
exit "$made"
