# Writes a dump of a database to stdout, or checks one. Runs in the database's container; follows database_tools.sh. A dump has
# the data of one moment; that of MongoDB does not: only a replica set has the log (--oplog) by which mongodump could see to it.
#
# $1: "detect" (prints the tool that dumps it), or that tool; $2: the database's host, if that is not here; $3: a new file
# that stdout is, if it is one: a tool that writes to no stream writes there, and not to a copy. $4 and on: the databases,
# if not the one that the env names.
# $1: "databases"; $2: the tool; $3: the host. A line with the database that the env names, empty if a dump has all; then
# one for each other that has tables. What a restore has left (restore.sh) is none.
# $1: "check"; $2: the tool; $3: a file. Whether that is a whole dump: it begins and ends like one, and the database's own
# program has read it to its end, where there is one that does so without a database (pg_restore, redis-check-rdb).
# A dump that goes to no file is checked on its way. Where its end has no mark of its own (PostgreSQL), "ftl-checked" is the
# last line of stderr.
host=${2-}
case $1 in
check)
    case $2 in
    pg_dump)
        [ "$(head -c 5 "$3")" = PGDMP ] || not_whole 'it does not begin like a dump of pg_dump'
        errors=$(pg_restore --file=/dev/null "$3" 2>&1) || not_whole "pg_restore cannot read the dump: $errors"
        ;;
    mongodump)
        [ "$(head -c 4 "$3" | od -An -tx1 | tr -d ' ')" = 6de29981 ] || not_whole 'it does not begin like an archive of mongodump'
        [ "$(tail -c 4 "$3" | od -An -tx1 | tr -d ' ')" = ffffffff ] || not_whole 'the archive is truncated'
        ;;
    redis-cli)
        [ "$(head -c 5 "$3")" = REDIS ] || not_whole 'it does not begin like a dump of Redis'
        # Before a checksum of 8 bytes.
        [ "$(tail -c 9 "$3" | head -c 1 | od -An -tx1 | tr -d ' ')" = ff ] || not_whole 'the dump is truncated'
        check_rdb "$3"
        ;;
    *)
        case $(head -c 15 "$3") in
        '-- MySQL dump'* | '-- MariaDB dump' | '/*M!999999'* | '/*!999999'*) ;; # of 10.11.8 without an M
        *) not_whole "it does not begin like a dump of $2" ;;
        esac
        tail -n 1 "$3" | grep -q '^-- Dump completed' && [ -z "$(tail -c 1 "$3")" ] || not_whole 'the dump is truncated'
        ;;
    esac
    ;;
detect)
    for tool in pg_dump mariadb-dump mysqldump mongodump redis-cli; do
        if command -v "$tool" >/dev/null 2>&1; then
            echo "$tool"
            exit
        fi
    done
    exit 3
    ;;
databases)
    host=${3-}
    log_in "$2"
    case $2 in
    pg_dump)
        sql() { # DATABASE [OPTION...]: stdin
            connect=$1
            shift
            psql --no-psqlrc --quiet --tuples-only --no-align -v ON_ERROR_STOP=1 --username="$user" \
                ${host:+--host="$host"} --dbname="$connect" "$@"
        }
        # Of a database that always exists: a restore may be of the one that the env names, which was dropped. One whose
        # DROP DATABASE was cut has -2, and nobody can connect to it (PostgreSQL 11.21, 12.16, 13.12, 14.9, 15.4, 16).
        names=$(sql template1 -v database="$database" <<'END'
SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate AND datname <> :'database' AND datconnlimit <> -2
    AND datname !~ '_before_[0-9]{8}_[0-9]{6}$' AND datname !~ '^ftl_restore_[0-9]+$' ORDER BY datname
END
        ) || exit
        printf '%s\n' "$database"
        printf '%s\n' "$names" | while IFS= read -r name; do
            [ -n "$name" ] || continue
            # One that does not answer may have some: its dump says why it cannot be read.
            tables=$(
                sql "$name" <<'END'
SELECT 1 FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE relkind IN ('r', 'p', 'm')
    AND nspname !~ '^pg_' AND nspname <> 'information_schema' LIMIT 1
END
            ) || tables=unknown
            [ -z "$tables" ] || printf '%s\n' "$name"
        done
        ;;
    mariadb-dump | mysqldump)
        printf '%s\n' "$database"
        [ -n "$database" ] || exit 0
        client=mysql
        if command -v mariadb >/dev/null 2>&1; then client=mariadb; fi
        names=$("$client" ${host:+--host="$host"} --user=root --skip-column-names --batch --execute="
            SELECT DISTINCT table_schema FROM information_schema.tables WHERE table_schema
            NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema') ORDER BY table_schema") || exit
        printf '%s\n' "$names" | grep -vxF -e '' -e "$database" || :
        ;;
    esac
    ;;
pg_dump)
    log_in "$1"
    file=${3-}
    set -- pg_dump --format=custom --username="$user" ${host:+--host="$host"} --dbname="${4:-$database}"
    [ -z "$file" ] || exec "$@"
    # tee writes to stdout, and by 5 to pg_restore. 3 has what failed.
    exec 4>&1
    failed=$({
        {
            { "$@" 3>&- 4>&- 5>&- || echo dump >&3; } | tee /proc/self/fd/5 >&4 3>&- || echo dump >&3
        } 5>&1 | {
            errors=$(pg_restore --file=/dev/null 2>&1) || echo "check $errors" >&3
            cat >/dev/null # which tee still has
        }
    } 3>&1)
    case $failed in
    '') ;;
    dump* | *'
dump'*) exit 1 ;; # it has said why
    *) not_whole "pg_restore cannot read the dump: ${failed#check }" ;;
    esac
    echo ftl-checked >&2
    ;;
mariadb-dump | mysqldump)
    log_in "$1"
    tool=$1
    if [ "$#" -gt 3 ]; then shift 3; elif [ -n "$database" ]; then set -- "$database"; else set --; fi
    if [ "$#" -gt 0 ]; then set -- --add-drop-database --databases "$@"; else set -- --all-databases; fi
    exec "$tool" "$@" ${host:+--host="$host"} --user=root --single-transaction --quick --routines --triggers --events --hex-blob
    ;;
mongodump) exec_mongodb mongodump ${host:+--host="$host"} --archive ;;
redis-cli)
    log_in "$1"
    if [ -n "${3-}" ]; then exec redis-cli ${host:+-h "$host"} --rdb "$3" >&2; fi
    file=$(mktemp /tmp/ftl-dump.XXXXXX) || exit
    trap 'rm -f "$file"' EXIT
    trap 'exit 1' HUP TERM # which alone would not remove it
    redis-cli ${host:+-h "$host"} --rdb "$file" >&2 && check_rdb "$file" && cat "$file"
    ;;
esac
