# --- the engine
engine_answers() {
    for _ in $(seq "$1"); do
        if [ -S /var/run/docker.sock ] && docker version > /dev/null 2>&1; then return; fi
        sleep 0.2
    done
    return 1
}

start_engine() {
    if has_systemd; then
        systemctl start docker
    else
        service docker start 3>&- 9>&-
    fi
}

restart_engine() {
    if has_systemd; then
        systemctl reset-failed docker 2> /dev/null
        systemctl restart docker
    else
        service docker restart 3>&- 9>&-
    fi
}

# BASE64 RESTART: settings; yes restarts the engine for them, and takes them back if it does not come up.
do_daemon() {
    file=/etc/docker/daemon.json
    rm -f "$state/daemon.json"
    if [ -f $file ]; then cp -p $file "$state/daemon.json" || return; fi
    put $file 644 "$1" || return
    if [ "$2" != yes ]; then return; fi
    # live-restore is one of the settings that an engine takes while it runs; with it, a restart stops no container.
    pid=$(pidof dockerd | cut -d' ' -f1)
    if [ -n "$pid" ]; then
        kill -s HUP "$pid"
        sleep 1
    fi
    if restart_engine && engine_answers 150; then return; fi
    if has journalctl; then journalctl --no-pager -q -u docker -n 15; else tail -n 15 /var/log/docker.log; fi
    if [ -f "$state/daemon.json" ]; then mv -f "$state/daemon.json" $file; else rm -f $file; fi
    restart_engine
    return 1
}

# The engine starts with the machine, and answers.
do_engine() {
    if has_systemd; then systemctl enable --now docker || return; fi
    if ! engine_answers 1; then
        start_engine
        engine_answers 300 || return
    fi
}

# --- the deploy user
do_user() { # NAME
    getent group docker > /dev/null || groupadd --system docker || return
    if ! getent passwd "$1" > /dev/null; then useradd --create-home --shell /bin/bash "$1"; fi
}

do_group() { # NAME
    getent group docker > /dev/null || groupadd --system docker || return
    usermod --append --groups docker "$1"
}

do_key() { # NAME FILE KEY: FILE as in sshd's AuthorizedKeysFile
    home=$(getent passwd "$1" | cut -d: -f6)
    path=$(printf '%s' "$2" | sed "s|%u|$1|g; s|%h|$home|g; s|%%|%|g")
    case $path in /*) ;; *) path=$home/$path ;; esac
    folder=$(dirname "$path")
    if [ ! -d "$folder" ]; then install -d -m 0700 -o "$1" -g "$(id -gn "$1")" "$folder" || return; fi
    if [ -s "$path" ] && [ -n "$(tail -c 1 "$path")" ]; then echo >> "$path"; fi
    if [ ! -e "$path" ]; then install -m 0600 -o "$1" -g "$(id -gn "$1")" /dev/null "$path" || return; fi
    printf '%s\n' "$3" >> "$path"
}

do_sudoer() { # NAME
    printf '%s ALL=(ALL) NOPASSWD: ALL\n' "$1" > "$state/sudoer" && visudo -cqf "$state/sudoer" &&
        install -m 0440 "$state/sudoer" "/etc/sudoers.d/ftl-$1"
}

# --- swap
do_swap() { # BYTES
    file=/swapfile
    if [ -e $file ]; then
        echo "$file is there already, and not in use as swap"
        return 1
    fi
    { fallocate -l "$1" $file || dd if=/dev/zero of=$file bs=1M count=$(($1 / 1048576)); } &&
        chmod 600 $file && mkswap $file && swapon $file || { rm -f $file; return 1; }
    grep -qs "^$file " /etc/fstab || echo "$file none swap sw 0 0" >> /etc/fstab
}
