# --- packages
# apt waits for dpkg's lock by itself, but not for that of its own lists; in both cases somebody should hear why.
patience=300

holder() {
    sed -n 's/.*held by process \([0-9]*\) (\([^)]*\)).*/\2 (process \1)/p' "$log" | tail -n 1
}

waiting() {
    while sleep 1 3>&- 9>&-; do
        if grep -q 'Could not get lock\|Waiting for cache lock' "$log"; then
            who=$(holder)
            note "waiting for ${who:-another program}, which holds the lock of apt; at most $((patience / 60)) minutes"
            return
        fi
    done
}

apt() {
    waiting > /dev/null 2>&1 &
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

# [DOCKER-REPOSITORY]: the lists of packages; meanwhile whether Docker's own repository answers.
do_refresh() {
    key=
    if [ -n "${1-}" ]; then
        rm -f "$state/docker.asc"
        timeout 10 /usr/lib/apt/apt-helper -o Acquire::Retries=0 -o Acquire::http::Timeout=5 \
            -o Acquire::https::Timeout=5 download-file "$1/gpg" "$state/docker.asc" > "$state/docker.log" 2>&1 3>&- 9>&- &
        key=$!
    fi
    apt update
    status=$?
    if [ -n "$key" ]; then wait "$key"; fi
    return $status
}

do_install() {
    apt install --no-install-recommends "$@"
}

# REPOSITORY CODENAME ARCHITECTURE OTHERS PACKAGE...: Docker's own packages where its repository answers, else these;
# and others beside either, whose names are in one word.
do_docker() {
    repository=$1 codename=$2 architecture=$3 others=$4
    shift 4
    if apt-cache policy docker-ce 2> /dev/null | grep -q 'Candidate: [0-9]'; then
        note "Docker comes from its own packages: their source is known there already"
        install_docker_own || return
    elif [ -s "$state/docker.asc" ] && docker_own; then
        note "Docker comes from $repository"
    else
        note "$repository cannot be reached from the server: Docker comes from the distribution ($1)"
        apt install --no-install-recommends "$@" $others || return
    fi
    has_systemd || start_engine
}

docker_own() {
    source=/etc/apt/sources.list.d/docker.list
    install -D -m 0644 "$state/docker.asc" /etc/apt/keyrings/docker.asc &&
        echo "deb [arch=$architecture signed-by=/etc/apt/keyrings/docker.asc] $repository $codename stable" > $source &&
        apt update -o Dir::Etc::sourcelist=$source -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0 \
            -o Acquire::Retries=0 -o Acquire::https::Timeout=10 -o APT::Update::Error-Mode=any &&
        install_docker_own && return
    rm -f $source /etc/apt/keyrings/docker.asc
    return 1
}

install_docker_own() {
    apt install --no-install-recommends docker-ce docker-ce-cli containerd.io $others
}

do_unattended() { # BASE64
    put /etc/apt/apt.conf.d/20auto-upgrades 644 "$1"
}
