# Writes a consistent dump of a database to stdout. Runs in the database's container, with its env.
#
# $1: "detect" (prints the tool that dumps it), or that tool; $2: the database's host, if that is not here; $3: a new file
# that stdout is, if it is one: a tool that writes to no stream writes there, and not to a copy. Passwords reach the tools by variables, never by
# an argument: any process on the server can read those.
secret() { # NAME: the variable, or the content of the file that NAME_FILE names
    eval "value=\${$1-} file=\${$1_FILE-}"
    if [ -z "$value" ] && [ -n "$file" ]; then value=$(cat "$file"); fi
    printf %s "$value"
}

host=${2-}
case $1 in
detect)
    for tool in pg_dump mariadb-dump mysqldump mongodump redis-cli; do
        if command -v "$tool" >/dev/null 2>&1; then
            echo "$tool"
            exit
        fi
    done
    exit 3
    ;;
pg_dump)
    user=${POSTGRES_USER:-postgres}
    PGPASSWORD=$(secret POSTGRES_PASSWORD)
    export PGPASSWORD
    exec pg_dump --format=custom --username="$user" ${host:+--host="$host"} \
        --dbname="${POSTGRES_DB:-$user}"
    ;;
mariadb-dump | mysqldump)
    MYSQL_PWD=$(secret MARIADB_ROOT_PASSWORD)
    MYSQL_PWD=${MYSQL_PWD:-$(secret MYSQL_ROOT_PASSWORD)}
    export MYSQL_PWD
    database=${MARIADB_DATABASE:-${MYSQL_DATABASE-}}
    if [ -n "$database" ]; then
        set -- "$1" --add-drop-database --databases "$database"
    else
        set -- "$1" --all-databases
    fi
    exec "$@" ${host:+--host="$host"} --user=root --single-transaction --quick --routines --triggers --events --hex-blob
    ;;
mongodump)
    if [ -z "${MONGO_INITDB_ROOT_USERNAME-}" ]; then exec mongodump ${host:+--host="$host"} --archive; fi
    password=$(secret MONGO_INITDB_ROOT_PASSWORD | sed "s/'/''/g")
    exec mongodump ${host:+--host="$host"} --archive --username="$MONGO_INITDB_ROOT_USERNAME" --authenticationDatabase=admin \
        --config=/dev/fd/3 3<<END
password: '$password'
END
    ;;
redis-cli)
    REDISCLI_AUTH=$(secret REDIS_PASSWORD)
    export REDISCLI_AUTH
    [ -n "$REDISCLI_AUTH" ] || unset REDISCLI_AUTH
    if [ -n "${3-}" ]; then exec redis-cli ${host:+-h "$host"} --rdb "$3" >&2; fi
    file=$(mktemp /tmp/ftl-dump.XXXXXX) || exit
    trap 'rm -f "$file"' EXIT
    trap 'exit 1' HUP TERM # which alone would not remove it
    redis-cli ${host:+-h "$host"} --rdb "$file" >&2 && cat "$file"
    ;;
esac
