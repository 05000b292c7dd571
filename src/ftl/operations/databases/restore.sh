# Restores a dump from stdin. Runs in the database's container, with its env; dump.sh's `secret` comes before it.
#
# $1: "ready" (whether the database accepts clients), "restore" (of PostgreSQL beside the data), or "count" (prints what
# there is); of Redis "accepts" (whether it would read a dump) and "put" (the dump beside the data); of both "swap", which
# gives what lies beside the data its place; $2: the tool that made the dump; $3: "keep" or "drill"; $4: what the replaced database of PostgreSQL is called afterwards, or
# the bytes of the dump of Redis.
action=$1 tool=$2 mode=$3 kept=$4
# Seconds that a restore waits for a lock that a client has.
patience=60
case $tool in
pg_dump)
    user=${POSTGRES_USER:-postgres}
    database=${POSTGRES_DB:-$user}
    PGPASSWORD=$(secret POSTGRES_PASSWORD)
    PGOPTIONS="-c client_min_messages=warning -c lock_timeout=${patience}s"
    export PGPASSWORD PGOPTIONS
    # PostgreSQL cuts names after 63 bytes: one that is made of the database's own could become the database's own.
    new=ftl_restore_$(printf %s "$database" | cksum | cut -d ' ' -f 1)
    sql() { # DATABASE [OPTION...]: stdin
        name=$1
        shift
        psql --no-psqlrc --quiet --tuples-only --no-align -v ON_ERROR_STOP=1 --username="$user" --dbname="$name" "$@"
    }
    drop() {
        echo 'DROP DATABASE IF EXISTS :"new"' | sql template1 -v new="$new"
    }
    ;;
mariadb-dump | mysqldump)
    MYSQL_PWD=$(secret MARIADB_ROOT_PASSWORD)
    MYSQL_PWD=${MYSQL_PWD:-$(secret MYSQL_ROOT_PASSWORD)}
    export MYSQL_PWD
    client=mysql
    if command -v mariadb >/dev/null 2>&1; then client=mariadb; fi
    query() { "$client" --user=root --skip-column-names --batch --execute="$1"; }
    ;;
redis-cli)
    REDISCLI_AUTH=$(secret REDIS_PASSWORD)
    export REDISCLI_AUTH
    [ -n "$REDISCLI_AUTH" ] || unset REDISCLI_AUTH
    setting() { redis-cli CONFIG GET "$1" | tail -n 1; }
    accepts() {
        [ "$(setting appendonly)" = yes ] || return 0
        echo 'it has appendonly on, and would not read a dump' >&2
        return 1
    }
    ;;
esac

case "$action $tool" in
'ready pg_dump') pg_isready --quiet --host=127.0.0.1 --username="$user" ;;
'count pg_dump') echo 'SELECT count(*) FROM pg_stat_user_tables' | sql "$database" ;;
'restore pg_dump')
    # Beside the data, which `swap` replaces when all is there. Our client may be gone meanwhile, and another one be here.
    if [ "$new" = "$database" ]; then
        echo "the database is called $new, as a restored one would be" >&2
        exit 1
    fi
    drop || exit
    echo 'CREATE DATABASE :"new" TEMPLATE template0' | sql template1 -v new="$new" || exit
    # A throwaway database does not have the roles that own the objects.
    if [ "$mode" = drill ]; then set -- --no-owner --no-acl; else set --; fi
    if ! pg_restore --exit-on-error --username="$user" --dbname="$new" "$@"; then
        drop
        exit 1
    fi
    ;;
'swap pg_dump')
    restored() { # prints 1 or 0
        echo "SELECT count(*) FROM pg_database WHERE datname = :'new'" | sql template1 -v new="$new"
    }
    if [ "$(restored)" = 0 ]; then
        echo 'the restored database is gone' >&2
        exit 1
    fi
    # By number: the restored database gets the name, and its sessions stay.
    number=$(echo "SELECT oid FROM pg_database WHERE datname = :'database'" | sql template1 -v database="$database")
    end_sessions() { # several times a second for six seconds
        for _ in $(seq 30); do
            printf '%s\n' 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datid = :number \g /dev/null' \
                'SELECT pg_sleep(0.2) \g /dev/null'
        done | sql template1 -v number="$number"
    }
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        # Who owns the database and may use it is no part of its dump: both are taken from the one before.
        # A change of the name locks the database for new sessions, and waits five seconds until there is none (RenameDatabase
        # in dbcommands.c): meanwhile they are ended. A server that goes down then has it as it was.
        end_sessions >/dev/null 2>&1 &
        sql template1 -v database="$database" -v new="$new" -v kept="$kept" <<'END' && exit 0
SET lock_timeout = '5s';
BEGIN;
SELECT format('ALTER DATABASE %I OWNER TO %I', :'new', pg_get_userbyid(datdba))
    FROM pg_database WHERE datname = :'database' \gexec
SELECT statement FROM (
    SELECT 1 AS turn, format('REVOKE ALL ON DATABASE %I FROM PUBLIC, %I', :'new', pg_get_userbyid(datdba)) AS statement
        FROM pg_database WHERE datname = :'database' AND datacl IS NOT NULL
    UNION ALL SELECT 2, format('GRANT %s ON DATABASE %I TO %s%s', privilege_type, :'new',
        CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
        CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
        FROM pg_database, aclexplode(datacl) WHERE datname = :'database'
) AS grants ORDER BY turn \gexec
ALTER DATABASE :"database" RENAME TO :"kept";
ALTER DATABASE :"new" RENAME TO :"database";
COMMIT;
END
        # The names may have changed although the session ended badly.
        if [ "$(restored)" = 0 ]; then exit 0; fi
        wait
    done
    # A transaction in any database may have the lock, and one that was prepared has no session.
    sql template1 -v database="$database" <<'END' >&2
SELECT 'it may be held up by the client ' || pid || ', ' || coalesce(usename, '?') || '@'
    || coalesce(host(client_addr), 'local') || ' ' || application_name || ' in ' || coalesce(datname, '?') || ' (' || state || ')'
    FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'
    AND (datname = :'database' OR xact_start IS NOT NULL)
UNION ALL SELECT 'it may be held up by the prepared transaction ' || gid FROM pg_prepared_xacts;
END
    drop
    exit 1
    ;;
'ready mariadb-dump' | 'ready mysqldump') "$client" --host=127.0.0.1 --user=root --execute='SELECT 1' >/dev/null ;;
'count mariadb-dump' | 'count mysqldump')
    query "SELECT count(*) FROM information_schema.tables
        WHERE table_schema NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')"
    ;;
'restore mariadb-dump' | 'restore mysqldump')
    # A client with an open transaction has a lock on each table that it has read, for a year by default.
    # A dump of one database may not name it; one that does has `USE`.
    database=${MARIADB_DATABASE:-${MYSQL_DATABASE-}}
    if [ -n "$database" ] && ! query "USE \`$(printf %s "$database" | sed 's/`/``/g')\`" 2>/dev/null; then database=; fi
    errors=$("$client" --user=root ${database:+--database="$database"} \
        --init-command="SET SESSION lock_wait_timeout=$patience, innodb_lock_wait_timeout=$patience" 2>&1 >/dev/null)
    status=$?
    [ -z "$errors" ] || printf '%s\n' "$errors" >&2
    case $errors in
    *'ERROR 1205 '*)
        query "SELECT concat('a table may be locked by the client ', id, ', ', user, '@', host, ' (', command, ' for ', time,
            ' s)') FROM information_schema.processlist WHERE id <> connection_id() AND user NOT IN ('system user',
            'event_scheduler') ORDER BY time DESC LIMIT 5" >&2
        ;;
    esac
    exit "$status"
    ;;
'ready mongodump')
    client=mongosh
    command -v mongosh >/dev/null 2>&1 || client=mongo
    # The image's entrypoint makes its users in a server of its own first, which listens on 127.0.0.1 alone; the other one
    # listens on all addresses of IPv4.
    "$client" --quiet --host "$(hostname -I | tr ' ' '\n' | grep -m 1 -F .)" --eval 'db.runCommand({ping: 1})' >/dev/null
    ;;
'count mongodump') echo '-' ;;
'restore mongodump')
    if [ -z "${MONGO_INITDB_ROOT_USERNAME-}" ]; then exec mongorestore --archive --drop --stopOnError; fi
    password=$(secret MONGO_INITDB_ROOT_PASSWORD | sed "s/'/''/g")
    exec mongorestore --archive --drop --stopOnError --username="$MONGO_INITDB_ROOT_USERNAME" --authenticationDatabase=admin \
        --config=/dev/fd/3 3<<END
password: '$password'
END
    ;;
'ready redis-cli') [ "$(redis-cli PING)" = PONG ] ;;
'count redis-cli') redis-cli DBSIZE ;;
'accepts redis-cli') accepts ;;
'put redis-cli' | 'swap redis-cli')
    folder=$(setting dir)
    case $folder in
    /*) ;;
    *)
        echo "its folder is not known: $folder" >&2
        exit 1
        ;;
    esac
    new=$folder/ftl-restore.rdb
    if [ "$action" = put ]; then
        accepts || exit
        trap 'rm -f "$new.part"' EXIT
        cat >"$new.part" || exit
        if [ "$(wc -c <"$new.part")" -ne "$kept" ]; then
            echo 'the transfer of the dump was interrupted' >&2
            exit 1
        fi
        if command -v redis-check-rdb >/dev/null && ! checked=$(redis-check-rdb "$new.part"); then
            printf 'redis-check-rdb: %s\n' "$checked" >&2
            exit 1
        fi
        chmod 644 "$new.part" && mv -f "$new.part" "$new"
        exit
    fi
    # From now on neither stopping it nor a save that is under way writes over the file. A restart brings `save` back.
    before=$(setting save)
    redis-cli CONFIG SET save '' >/dev/null || exit
    for _ in $(seq 600); do
        redis-cli INFO persistence | grep -q '^rdb_bgsave_in_progress:0' && break
        sleep 1
    done
    sync
    if ! mv -f "$new" "$folder/$(setting dbfilename)"; then
        redis-cli CONFIG SET save "$before" >/dev/null
        exit 1
    fi
    ;;
esac
