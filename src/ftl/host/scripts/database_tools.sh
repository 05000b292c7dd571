# What scripts that dump and restore a database share: the login by the variables of its container, in which they run, and the
# check of a dump of Redis. Another script follows.
#
# Passwords reach the tools by variables, or by a file that only the tool has, never by an argument: any process on the server
# can read those.
secret() { # NAME: the variable, or the content of the file that NAME_FILE names
    eval "value=\${$1-} file=\${$1_FILE-}"
    if [ -z "$value" ] && [ -n "$file" ]; then value=$(cat "$file"); fi
    printf %s "$value"
}

log_in() { # TOOL: the one that dumps the database; its other programs log in likewise
    case $1 in
    pg_dump)
        user=${POSTGRES_USER:-postgres}
        database=${POSTGRES_DB:-$user}
        PGPASSWORD=$(secret POSTGRES_PASSWORD)
        export PGPASSWORD
        ;;
    mariadb-dump | mysqldump)
        database=${MARIADB_DATABASE:-${MYSQL_DATABASE-}}
        MYSQL_PWD=$(secret MARIADB_ROOT_PASSWORD)
        MYSQL_PWD=${MYSQL_PWD:-$(secret MYSQL_ROOT_PASSWORD)}
        export MYSQL_PWD
        ;;
    redis-cli)
        REDISCLI_AUTH=$(secret REDIS_PASSWORD)
        export REDISCLI_AUTH
        [ -n "$REDISCLI_AUTH" ] || unset REDISCLI_AUTH
        ;;
    esac
}

exec_mongodb() { # PROGRAM ARGUMENT...
    if [ -z "${MONGO_INITDB_ROOT_USERNAME-}" ]; then exec "$@"; fi
    password=$(secret MONGO_INITDB_ROOT_PASSWORD | sed "s/'/''/g")
    exec "$@" --username="$MONGO_INITDB_ROOT_USERNAME" --authenticationDatabase=admin --config=/dev/fd/3 3<<END
password: '$password'
END
}

not_whole() { # WORDS
    echo "$*" >&2
    exit 1
}

check_rdb() { # FILE
    command -v redis-check-rdb >/dev/null 2>&1 || return 0
    found=$(redis-check-rdb "$1" 2>&1) || not_whole "redis-check-rdb finds the dump damaged: $found"
}
