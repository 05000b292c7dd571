# Restores a dump from stdin. Runs in the database's container; follows ftl.host's database_tools.sh.
#
# $1: "ready" (whether the database accepts clients), "accepts" (whether a dump can be restored into it), "restore" (of
# PostgreSQL beside the data), "roles" (of PostgreSQL: prints its user, and the roles that it lacks of those in a
# dump), "schemas" (of MySQL: prints the databases, also those without tables), or "count" (prints what there is); of
# Redis "put" (the dump beside the data); of PostgreSQL and Redis "replace", which gives what lies beside the data its
# place: where it fails, the data is unchanged; $2: the tool that made the dump; $3: "keep" or "drill"; $4: what the
# replaced database of PostgreSQL is called afterwards, or the bytes of the dump of Redis; $5: the database of
# PostgreSQL, if it is not the one that the env names. One that is not there is made: "accepts" prints "new".
action=$1 tool=$2 mode=$3 kept=$4
# Seconds that a restore waits for a lock that a client has.
patience=60

needs() { # PROGRAM
    command -v "$1" >/dev/null 2>&1 || { echo "its image has no $1" >&2; return 1; }
}

log_in "$tool"
case $tool in
pg_dump)
    database=${5:-$database}
    PGOPTIONS="-c client_min_messages=warning -c lock_timeout=${patience}s"
    export PGOPTIONS
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
    client=mysql
    if command -v mariadb >/dev/null 2>&1; then client=mariadb; fi
    query() { "$client" --user=root --skip-column-names --batch --execute="$1"; }
    ;;
redis-cli)
    setting() { redis-cli CONFIG GET "$1" | tail -n 1; }
    files() { # sets their paths
        folder=$(setting dir)
        case $folder in
        /*) ;;
        *)
            echo "its folder is not known: $folder" >&2
            exit 1
            ;;
        esac
        new=$folder/ftl-restore.rdb
        # Since Redis 7 the append-only file is a folder; versions before 6 do not say how the file is called.
        log=$(setting appendfilename) logs=$(setting appenddirname)
        log=$folder/${log:-appendonly.aof} logs=${logs:+$folder/$logs}
    }
    has_log() { [ -e "$log" ] || { [ -n "$logs" ] && [ -d "$logs" ]; }; }
    ;;
esac

case "$action $tool" in
'ready pg_dump') pg_isready --quiet --host=127.0.0.1 --username="$user" ;;
'accepts pg_dump')
    if [ "$new" = "$database" ]; then
        echo "the database is called $new, as a restored one would be" >&2
        exit 1
    fi
    needs pg_restore || exit
    found="SELECT 1 FROM pg_database WHERE datname = :'database'"
    found=$(echo "$found" | sql template1 -v database="$database") || exit
    [ -n "$found" ] || echo new
    ;;
'count pg_dump') echo 'SELECT count(*) FROM pg_stat_user_tables' | sql "$database" ;;
'roles pg_dump')
    # The beginning of a dump is enough: it has the schema. PostgreSQL itself says what it lacks, when it makes an empty copy.
    printf '%s\n' "$user"
    PGOPTIONS="$PGOPTIONS -c lc_messages=C"
    drop || exit
    echo 'CREATE DATABASE :"new" TEMPLATE template0' | sql template1 -v new="$new" || exit
    errors=$(pg_restore --schema-only --username="$user" --dbname="$new" 2>&1)
    drop
    printf '%s\n' "$errors" | sed -n 's/.*ERROR: *role "\(.*\)" does not exist$/\1/p' | sort -u
    ;;
'restore pg_dump')
    # Beside the data, whose place it gets by `replace` when all is there. Our client may be gone meanwhile, and another
    # one be here.
    drop || exit
    echo 'CREATE DATABASE :"new" TEMPLATE template0' | sql template1 -v new="$new" || exit
    # A throwaway database does not have the roles that own the objects.
    # The watchdog ends pg_restore, and not what removes the half that it has made.
    trap : HUP TERM
    if [ "$mode" = drill ]; then set -- --no-owner --no-acl; else set --; fi
    if ! pg_restore --exit-on-error --username="$user" --dbname="$new" "$@"; then
        unset FTL_EXEC
        drop
        exit 1
    fi
    ;;
'replace pg_dump')
    restored() { # prints 1 or 0
        echo "SELECT count(*) FROM pg_database WHERE datname = :'new'" | sql template1 -v new="$new"
    }
    if [ "$(restored)" = 0 ]; then
        echo 'the restored database is gone' >&2
        exit 1
    fi
    # By number: the restored database gets the name, and its sessions stay.
    number=$(echo "SELECT oid FROM pg_database WHERE datname = :'database'" | sql template1 -v database="$database")
    number=${number:-0} # there is none yet
    end_sessions() { # several times a second for six seconds, or until the database has its other name
        for _ in $(seq 30); do
            printf '%s\n' 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datid = :number \g /dev/null' \
                "SELECT pg_sleep(0.2) FROM pg_database WHERE oid = :number AND datname = :'database' \\g /dev/null"
        done | sql template1 -v number="$number" -v database="$database"
    }
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        # Who owns the database and may use it is no part of its dump: both are taken from the one before.
        # A change of the name locks the database for new sessions, and waits five seconds until there is none (RenameDatabase
        # in dbcommands.c): meanwhile they are ended. A server that goes down then has it as it was.
        end_sessions >/dev/null 2>&1 &
        sql template1 -v database="$database" -v new="$new" -v kept="$kept" <<'END'
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
SELECT format('ALTER DATABASE %I RENAME TO %I', datname, :'kept') FROM pg_database WHERE datname = :'database' \gexec
ALTER DATABASE :"new" RENAME TO :"database";
COMMIT;
END
        # It ends before us: what is left of an ended command belongs to the container's first process, and PostgreSQL takes
        # a status of 2 or more for a crash of its own.
        wait
        # The names may have changed although the session ended badly.
        if [ "$(restored)" = 0 ]; then exit 0; fi
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
'accepts mariadb-dump' | 'accepts mysqldump') query 'SELECT 1' >/dev/null ;;
'count mariadb-dump' | 'count mysqldump')
    query "SELECT count(*) FROM information_schema.tables
        WHERE table_schema NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')"
    ;;
'schemas mariadb-dump' | 'schemas mysqldump')
    query "SELECT schema_name FROM information_schema.schemata
        WHERE schema_name NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')"
    ;;
'restore mariadb-dump' | 'restore mysqldump')
    # A client with an open transaction has a lock on each table that it has read, for a year by default.
    # A dump of one database may not name it; one that does has `USE`.
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
'accepts mongodump') needs mongorestore ;;
'count mongodump') echo '-' ;;
'restore mongodump')
    exec_mongodb mongorestore --archive --drop --stopOnError
    ;;
'ready redis-cli') [ "$(redis-cli PING)" = PONG ] ;;
'count redis-cli') redis-cli DBSIZE ;;
'accepts redis-cli')
    files
    [ "$(setting appendonly)" = yes ] || exit 0
    if ! has_log; then
        echo "its append-only file is not $log" >&2
        exit 1
    fi
    # Redis 4 and later: an append-only file may begin with what a dump has.
    if [ -z "$(setting aof-use-rdb-preamble)" ]; then
        echo 'it has appendonly on, and its version reads no dump then' >&2
        exit 1
    fi
    ;;
'put redis-cli')
    files
    trap 'rm -f "$new.part"' EXIT
    trap 'exit 1' HUP TERM # which alone would not remove it
    rm -f "$new" "$new.aof"
    cat >"$new.part" || exit
    if [ "$(wc -c <"$new.part")" -ne "$kept" ]; then
        echo 'the transfer of the dump was interrupted' >&2
        exit 1
    fi
    check_rdb "$new.part"
    chmod 644 "$new.part" || exit
    if has_log; then
        # Redis reads its append-only file alone, if that is on, and goes on writing to it.
        cp "$new.part" "$new.aof" || { rm -f "$new.aof"; exit 1; }
        chown "$(stat -c %u:%g "$folder")" "$new.aof" 2>/dev/null
    fi
    mv -f "$new.part" "$new"
    ;;
'replace redis-cli')
    files
    # From now on neither stopping it nor a save or a rewrite that is under way writes over the files. A restart brings
    # both settings back.
    save=$(setting save) appends=$(setting appendonly)
    unchanged() {
        redis-cli CONFIG SET save "$save" >/dev/null
        [ "$appends" != yes ] || redis-cli CONFIG SET appendonly yes >/dev/null
        exit 1
    }
    redis-cli CONFIG SET save '' >/dev/null
    redis-cli CONFIG SET appendonly no >/dev/null
    if [ "$(setting save) $(setting appendonly)" != ' no' ]; then
        echo "it goes on writing its files: 'CONFIG SET' has no effect" >&2
        unchanged
    fi
    for _ in $(seq 600); do
        case $(redis-cli INFO persistence) in
        *_in_progress:1*) sleep 1 ;;
        *)
            quiet=yes
            break
            ;;
        esac
    done
    if [ -z "${quiet-}" ]; then
        echo 'a save of it does not end' >&2
        unchanged
    fi
    sync
    # Where it appends, this is not what it reads; until it is restarted, its next save replaces it.
    mv -f "$new" "$folder/$(setting dbfilename)" || unchanged
    [ -e "$new.aof" ] || exit 0
    mv -f "$new.aof" "$log" || unchanged
    # Redis 7 takes such a file over, as one of an earlier version, where there is no folder.
    if [ -n "$logs" ] && [ -d "$logs" ]; then
        rm -rf "$logs.ftl-replaced"
        mv "$logs" "$logs.ftl-replaced" || unchanged
        rm -rf "$logs.ftl-replaced"
    fi
    ;;
esac
