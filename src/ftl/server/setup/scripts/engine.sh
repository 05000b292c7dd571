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

# BASE64 SEEN: write daemon.json, unless it is not as it was read any more, and keep what it had.
write_daemon_file() {
    rm -f "$state/daemon.json"
    mode=644
    if [ -f $daemon_file ]; then
        cp -p $daemon_file "$state/daemon.json" || return
        mode=$(stat -L -c %a $daemon_file) # it may hold the passwords of proxies
    fi
    put $daemon_file "$mode" "$1" "$2" || return
    daemon_written=$(content_digest $daemon_file)
}

# BASE64 RESTART LIVE SEEN: write daemon.json; "yes" restarts the engine for it. An engine that does not start with it
# gets the old file back.
do_write_daemon_settings() {
    write_daemon_file "$1" "$4" || return
    if [ "$2" != yes ]; then return; fi
    # live-restore is one of the settings that an engine reloads while it runs; with it, a restart stops no container.
    # An engine that rejects it would not start with this file either, so it is not stopped.
    if [ "$3" = yes ] && ! reload_live_restore true; then
        engine_log
        restore_daemon_file
        return 1
    fi
    if restart_engine && engine_answers 150; then return; fi
    engine_log
    restore_daemon_file
    restart_engine
    return 1
}

# BASE64 SEEN: write a daemon.json without live-restore, which the engine reloads.
do_disable_live_restore() {
    write_daemon_file "$1" "$2" || return
    if reload_live_restore false; then return; fi
    engine_log
    restore_daemon_file
    return 1
}

reload_live_restore() { # true|false
    pid=$(engine_pid) && kill -s HUP "$pid" || return
    for _ in $(seq 25); do
        if [ "$(docker info --format '{{.LiveRestoreEnabled}}' 2> /dev/null)" = "$1" ]; then return; fi
        sleep 0.2
    done
    return 1
}

engine_log() {
    if has_systemd; then journalctl --no-pager -q -o cat -u docker -n 15; else tail -n 15 /var/log/docker.log; fi
}

# What somebody else has written since stays.
restore_daemon_file() {
    if [ -f "$state/daemon.json" ]; then
        put $daemon_file "$mode" "$(base64 < "$state/daemon.json")" "$daemon_written"
    elif [ "$(content_digest $daemon_file)" = "$daemon_written" ]; then
        rm -f $daemon_file
    fi
}

# UNIT...: whether one of them is there and does not start at boot.
disabled() {
    for unit; do
        if [ "$(systemctl is-enabled "$unit" 2> /dev/null)" = disabled ]; then return; fi
    done
    return 1
}

# Cron runs, and starts at boot. Its unit is called cron, that of cronie crond.
do_start_cron() {
    if cron_runs && ! { has_systemd && disabled cron crond; }; then return; fi
    if has_systemd; then
        systemctl enable --now cron || systemctl enable --now crond
    else
        service cron start 3>&- 9>&-
    fi
}

# The engine runs, starts at boot, and answers.
do_start_engine() {
    if has_systemd; then systemctl enable --now docker || return; fi
    if ! engine_answers 1; then
        start_engine
        if ! engine_answers 300; then
            engine_log
            return 1
        fi
    fi
}
