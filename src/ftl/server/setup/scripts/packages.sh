# --- packages
# apt waits for dpkg's lock by itself, but not for that of its package lists; in both cases the user should know why.
patience=300

lock_owner() {
    sed -n 's/.*held by process \([0-9]*\) (\([^)]*\)).*/\2 (process \1)/p' "$log" | tail -n 1
}

report_lock() {
    while kill -0 $$ && sleep 1 3>&- 9>&-; do
        if grep -q 'Could not get lock\|Waiting for cache lock' "$log"; then
            owner=$(lock_owner)
            note "waiting for ${owner:-another program}, which holds the lock of apt; at most $((patience / 60)) minutes"
            return
        fi
    done
}

apt() {
    report_lock > /dev/null 2>&1 &
    watcher=$!
    attempt=0
    while :; do
        apt-get -q -y -o DPkg::Lock::Timeout=$patience -o DPkg::Use-Pty=0 -o APT::Color=0 \
            -o DPkg::Options::=--force-confdef -o DPkg::Options::=--force-confold "$@" 3>&- 9>&-
        status=$?
        attempt=$((attempt + 1))
        if [ $status = 0 ] || [ $attempt -gt $patience ] || ! tail -n 3 "$log" | grep -q 'Unable to lock directory'; then
            break
        fi
        sleep 1
    done
    kill -KILL $watcher 2> /dev/null
    wait $watcher 2> /dev/null
    return $status
}

# [DOCKER-REPOSITORY]: update the package lists; meanwhile check whether Docker's own repository answers.
do_refresh_packages() {
    rm -f "$state/docker.asc"
    asked=no
    if [ -n "${1-}" ]; then
        asked=yes
        fetch_key "$1" 3>&- 9>&- &
        key=$!
    fi
    apt update
    status=$?
    if [ $asked = yes ]; then wait "$key"; fi
    return $status
}

fetch_key() { # REPOSITORY
    timeout 10 /usr/lib/apt/apt-helper -o Acquire::Retries=0 -o Acquire::http::Timeout=5 \
        -o Acquire::https::Timeout=5 download-file "$1/gpg" "$state/docker.asc" > "$state/docker.log" 2>&1
}

do_install_packages() {
    apt install --no-install-recommends "$@"
}

# REPOSITORY CODENAME ARCHITECTURE OTHERS PACKAGE...: Docker's own packages if its repository answers, else PACKAGE...
# With either come the packages in OTHERS, one word.
do_install_docker() {
    repository=$1 codename=$2 architecture=$3 others=$4
    shift 4
    if apt-cache policy docker-ce 2> /dev/null | grep -q 'Candidate: [0-9]'; then
        note "installing Docker's own packages: their repository is configured there already"
        install_docker_own || fall_back "its own packages cannot be fetched" "$@" || return
    elif docker_source; then
        note "installing Docker from $repository"
        install_docker_own || fall_back "the packages of $repository cannot be fetched" "$@" || return
    else
        note "$why: installing the distribution's Docker ($1)"
        install_docker "$@" || return
    fi
    has_systemd || start_engine
}

# WHY PACKAGE...: install the distribution's packages, where Docker's own could not be downloaded. apt downloads all
# before it unpacks the first; a later failure has another cause, and no other packages may be installed over it.
fall_back() {
    if ! tail -n 5 "$log" | grep -q 'Unable to fetch some archives'; then return 1; fi
    note "$1: installing the distribution's Docker ($2)"
    shift
    remove_docker_source
    install_docker "$@"
}

own_source=/etc/apt/sources.list.d/ftl-docker.list
own_key=/etc/apt/keyrings/ftl-docker.asc

# Add Docker's repository to apt's sources, if it answers; else the reason is in $why. A repository that somebody else
# added is left alone: apt refuses all sources if two of them have different keys for the same repository.
docker_source() {
    why="$repository cannot be reached from the server"
    if added_by_others; then
        why="$repository is one of the server's package sources, and has no docker-ce"
        return 1
    fi
    if [ "$asked" = no ]; then fetch_key "$repository" 3>&- 9>&-; fi
    [ -s "$state/docker.asc" ] || return
    install -D -m 0644 "$state/docker.asc" $own_key &&
        echo "deb [arch=$architecture signed-by=$own_key] $repository $codename stable" > $own_source &&
        apt update -o Dir::Etc::sourcelist=$own_source -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0 \
            -o Acquire::Retries=0 -o Acquire::https::Timeout=10 -o APT::Update::Error-Mode=any && return
    remove_docker_source
    return 1
}

added_by_others() {
    grep -rhsF --include='*.list' --include='*.sources' --exclude=ftl-docker.list "$repository" \
        /etc/apt/sources.list /etc/apt/sources.list.d | grep -qv '^[[:space:]]*#'
}

remove_docker_source() {
    rm -f $own_source $own_key
}

install_docker_own() {
    install_docker docker-ce docker-ce-cli containerd.io
}

install_docker() { # PACKAGE...
    apt install --no-install-recommends "$@" $others
}

do_enable_upgrades() { # BASE64
    put /etc/apt/apt.conf.d/20auto-upgrades 644 "$1"
}
