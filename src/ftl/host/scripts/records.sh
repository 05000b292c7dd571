# Finds the container of the release records, which never runs: `docker system prune` removes it, and without it nobody can read
# the volume that has them. Follows ftl.proxy's docker.sh. Runs on the server.

# Whether there are records: a volume of that name may be another's.
has_records() {
    [ "$(docker volume inspect -f '{{index .Labels "ftl.role"}}' ftl-state 2>/dev/null </dev/null)" = state ]
}

# record_store: prints its ID, and creates it again if it was removed. Nothing: there are no records, or the engine does not answer.
record_store() {
    records_in=$(of_role state)
    if [ -z "$records_in" ] && has_records; then
        # Any image will do; that of the proxy stays.
        records_image=$(docker inspect -f '{{.Image}}' "$(of_role proxy)" 2>/dev/null </dev/null) ||
            records_image=$(docker images -q --no-trunc 2>/dev/null </dev/null | sed 1q)
        docker create --name ftl-state --label ftl.role=state -v ftl-state:/ftl "$records_image" true >/dev/null 2>&1 </dev/null
        records_in=$(of_role state)
    fi
    [ -z "$records_in" ] || echo "$records_in"
}
