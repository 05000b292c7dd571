# --- the engine
daemon_file=/etc/docker/daemon.json

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

# BASE64 RESTART LIVE: settings; yes restarts the engine for them. They are taken back if it does not take them.
do_daemon() {
    rm -f "$state/daemon.json"
    mode=644
    if [ -f $daemon_file ]; then
        cp -p $daemon_file "$state/daemon.json" || return
        mode=$(stat -L -c %a $daemon_file) # it may hold the passwords of proxies
    fi
    put $daemon_file "$mode" "$1" || return
    if [ "$2" != yes ]; then return; fi
    # live-restore is one of the settings that an engine takes while it runs; with it, a restart stops no container.
    # An engine that does not take it would not start with this file either, so it is not stopped.
    if [ "$3" = yes ] && ! turn_live_restore_on; then
        engine_log
        daemon_back
        return 1
    fi
    if restart_engine && engine_answers 150; then return; fi
    engine_log
    daemon_back
    restart_engine
    return 1
}

turn_live_restore_on() {
    kill -s HUP "$(pidof dockerd | cut -d' ' -f1)" || return
    for _ in $(seq 25); do
        if [ "$(docker info --format '{{.LiveRestoreEnabled}}' 2> /dev/null)" = true ]; then return; fi
        sleep 0.2
    done
    return 1
}

engine_log() {
    if has_systemd; then journalctl --no-pager -q -o cat -u docker -n 15; else tail -n 15 /var/log/docker.log; fi
}

daemon_back() {
    if [ -f "$state/daemon.json" ]; then
        put $daemon_file "$mode" "$(base64 < "$state/daemon.json")"
    else
        rm -f $daemon_file
    fi
}

# The engine starts with the machine, and answers.
do_engine() {
    if has_systemd; then systemctl enable --now docker || return; fi
    if ! engine_answers 1; then
        start_engine
        if ! engine_answers 300; then
            engine_log
            return 1
        fi
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
    case $path in
    # What a link there leads to may not be this user's to write.
    "$home"/*) runuser -u "$1" -- sh -c "$authorise" sh "$path" "$3" ;;
    *) sh -c "$authorise" sh "$path" "$3" && chown "$1:" "$path" ;;
    esac
}

authorise='
    umask 077
    mkdir -p "$(dirname "$1")" || exit
    if [ -s "$1" ] && [ -n "$(tail -c 1 "$1")" ]; then echo >> "$1"; fi
    printf "%s\n" "$2" >> "$1"
'

do_sudoer() { # NAME
    # sudo passes over files with a dot in their name.
    file=/etc/sudoers.d/ftl-$(printf '%s' "$1" | tr -c 'A-Za-z0-9_-' _)
    printf '%s ALL=(ALL) NOPASSWD: ALL\n' "$1" > "$state/sudoer" && visudo -cqf "$state/sudoer" &&
        install -m 0440 "$state/sudoer" "$file"
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
