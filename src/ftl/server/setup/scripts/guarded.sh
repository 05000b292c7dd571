# --- changes that could lock us out: each is reverted after a timeout, unless a new connection works and `keep` comes
guarded=

guard() { # NAME SECONDS
    guarded=$1
    touch "$state/$1.pending"
    (
        sleep "$2" 9>&- # it outlives us when we are killed, and must not keep the lock
        if [ -e "$state/$1.pending" ]; then "revert_$1"; fi
    ) > /dev/null 2>&1 3>&- < /dev/null &
    timer=$!
}

unguard() {
    rm -f "$state/$guarded.pending"
    kill -KILL "$timer" 2> /dev/null
    wait "$timer" 2> /dev/null
    guarded=
}

do_revert() {
    if [ -z "$guarded" ]; then return; fi
    name=$guarded
    unguard
    "revert_$name"
}

do_keep() {
    # Too late: it has been reverted.
    if [ ! -e "$state/$guarded.pending" ]; then return 1; fi
    name=$guarded
    unguard
    "keep_$name"
}

# --- the firewall
do_apply_firewall() { # SECONDS CONF SCRIPT UNIT
    rm -rf "$state/before"
    mkdir "$state/before"
    for file in /etc/ftl/firewall.conf /usr/local/sbin/ftl-firewall; do
        if [ -e $file ]; then cp -p $file "$state/before/" || return; fi
    done
    put "$state/unit" 644 "$4" || return
    guard firewall "$1"
    if put /etc/ftl/firewall.conf 644 "$2" && put /usr/local/sbin/ftl-firewall 755 "$3" && ftl-firewall apply; then
        return
    fi
    do_revert
    return 1
}

revert_firewall() {
    if [ -e "$state/before/firewall.conf" ] && [ -e "$state/before/ftl-firewall" ]; then
        cp -p "$state/before/firewall.conf" /etc/ftl/firewall.conf
        cp -p "$state/before/ftl-firewall" /usr/local/sbin/ftl-firewall
        ftl-firewall apply
    else
        ftl-firewall remove
        rm -f /etc/ftl/firewall.conf /usr/local/sbin/ftl-firewall
    fi
    rm -f "$state/firewall.pending"
}

keep_firewall() {
    if has_systemd; then
        put /etc/systemd/system/ftl-firewall.service 644 "$(base64 < "$state/unit" | tr -d '\n')" &&
            systemctl daemon-reload && systemctl -q enable ftl-firewall.service && systemctl restart ftl-firewall.service
    else
        note "systemd is not running here: after a reboot the firewall is off until \`ftl setup\` runs again"
    fi
}

do_allow_in_ufw() { # PORT/PROTOCOL...
    for port in "$@"; do ufw allow "$port" || retry_allow "$port" || return; done
}

# ESP is open where ufw knows it (0.34): encrypted networks need it, others do not.
do_allow_peers_in_ufw() { # ADDRESS...
    for peer in "$@"; do
        for port in 'tcp 2377' 'tcp 7946' 'udp 7946' 'udp 4789'; do
            ufw allow proto "${port% *}" from "$peer" to any port "${port#* }" || {
                sleep 2
                ufw reload && ufw allow proto "${port% *}" from "$peer" to any port "${port#* }"
            } || return
        done
        ufw allow proto esp from "$peer" || note "ufw does not open ESP to $peer: an encrypted network needs it"
    done
}

# ufw does not wait for the lock of iptables, which an engine takes again and again while it starts. A failed
# `ufw allow` may have flushed the chains and written the rule to ufw's file, so that the next one skips it: only a
# reload puts all rules in force.
retry_allow() { # PORT/PROTOCOL
    for _ in $(seq 10); do
        sleep 0.5
        if ufw reload && ufw allow "$1"; then return; fi
    done
    # The server must not be left with half of its rules, even if this process ends.
    (for _ in $(seq 60); do sleep 5 && ufw reload && break; done) > /dev/null 2>&1 3>&- 9>&- < /dev/null &
    return 1
}

# --- sshd
drop_in=/etc/ssh/sshd_config.d/00-ftl.conf

reload_sshd() {
    if has_systemd; then
        systemctl try-reload-or-restart ssh.service
    else
        kill -s HUP "$(cat /run/sshd.pid)"
    fi
}

do_harden_ssh() { # SECONDS BASE64
    rm -f "$state/drop-in"
    if [ -e $drop_in ]; then cp -p $drop_in "$state/drop-in" || return; fi
    guard harden "$1"
    if put $drop_in 644 "$2" && sshd -t && hardened && reload_sshd; then return; fi
    do_revert
    return 1
}

# Whether sshd uses these settings: a file that it reads earlier overrides them.
hardened() {
    settings=$(sshd -T -C user=root,host=localhost,addr=127.0.0.1)
    for setting in 'permitrootlogin no' 'passwordauthentication no'; do
        if ! printf '%s\n' "$settings" | grep -qx "$setting"; then
            echo "\"$setting\" in $drop_in is not in effect: another of sshd's files overrides it"
            return 1
        fi
    done
}

revert_harden() {
    if [ -e "$state/drop-in" ]; then mv -f "$state/drop-in" $drop_in; else rm -f $drop_in; fi
    rm -f "$state/harden.pending"
    reload_sshd
}

keep_harden() {
    rm -f "$state/drop-in"
}
