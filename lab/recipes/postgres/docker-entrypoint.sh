#!/bin/bash
# Makes the database on the first start, then becomes PostgreSQL.
# POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE, or POSTGRES_HOST_AUTH_METHOD=trust; POSTGRES_USER (postgres);
# POSTGRES_DB (as the user); POSTGRES_INITDB_ARGS; /docker-entrypoint-initdb.d/*.sql and *.sh.
set -euo pipefail

[ "${1:-postgres}" = postgres ] || exec "$@"

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    chown -R postgres:postgres "$PGDATA" /run/postgresql
    chmod 0700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
fi

prepare() {
    local user=${POSTGRES_USER:-postgres} password=${POSTGRES_PASSWORD:-}
    local database=${POSTGRES_DB:-$user} method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
    if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
        password=$(< "$POSTGRES_PASSWORD_FILE")
    fi
    if [ -z "$password" ] && [ "$method" != trust ]; then
        echo 'error: the database has no password: set POSTGRES_PASSWORD' >&2
        exit 1
    fi

    # A first start that was cut off leaves half a database, which would be taken for a whole one: it is made
    # beside its place and moved there when it is complete.
    local new="$PGDATA/.new"
    # shellcheck disable=SC2086 # several arguments in one variable
    initdb --pgdata "$new" --username "$user" --encoding UTF8 --locale C.UTF-8 \
        --pwfile <(printf '%s\n' "${password:-unused}") \
        --auth-local trust --auth-host "$method" ${POSTGRES_INITDB_ARGS:-}
    echo "host all all all $method" >> "$new/pg_hba.conf"

    # Not on the network before all is there: whoever waits for the port waits for the database.
    pg_ctl --pgdata "$new" --wait --options "-c listen_addresses=''" start
    local psql=(psql --no-psqlrc --quiet -v ON_ERROR_STOP=1 --username "$user")
    if [ "$database" != postgres ]; then
        "${psql[@]}" --dbname postgres -v "name=$database" <<< 'CREATE DATABASE :"name";'
    fi
    for script in /docker-entrypoint-initdb.d/*; do
        case "$script" in
        *.sh) POSTGRES_USER=$user POSTGRES_DB=$database bash "$script" ;;
        *.sql) "${psql[@]}" --dbname "$database" --file "$script" ;;
        esac
    done
    pg_ctl --pgdata "$new" --mode fast --wait stop

    shopt -s dotglob
    for entry in "$new"/*; do
        case "$entry" in */PG_VERSION) ;; *) mv "$entry" "$PGDATA/" ;; esac
    done
    mv "$new/PG_VERSION" "$PGDATA/"
    rmdir "$new"
}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    if [ -e "$PGDATA/.new" ]; then
        find "$PGDATA" -mindepth 1 -maxdepth 1 ! -name lost+found -exec rm -rf {} +
    fi
    prepare
fi
exec postgres -D "$PGDATA" -c "listen_addresses=*" "${@:2}"
