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
# What is in force after a reboot changes only when the change is kept: until then it is here, where a reboot removes it.
waiting=$state/firewall firewall_conf=/etc/ftl/firewall.conf firewall_script=/usr/local/sbin/ftl-firewall

# SECONDS CONF SCRIPT UNIT SEEN: the file of the ports is not replaced if it is not as it was read any more.
do_apply_firewall() {
    firewall_seen=$5
    if [ "$(content_digest $firewall_conf)" != "$firewall_seen" ]; then
        echo "$firewall_conf was changed meanwhile by somebody else, and was left alone"
        return 1
    fi
    put "$waiting/conf" 644 "$2" && put "$waiting/script" 755 "$3" && put "$waiting/unit" 644 "$4" || return
    guard firewall "$1"
    if apply_waiting apply; then return; fi
    do_revert
    return 1
}

# By sh: /run may be mounted noexec.
apply_waiting() { # apply|remove
    FTL_FIREWALL_CONF=$waiting/conf sh "$waiting/script" "$1"
}

revert_firewall() {
    if [ -e $firewall_conf ] && [ -e $firewall_script ]; then
        $firewall_script apply
    else
        apply_waiting remove
    fi
    rm -rf "$state/firewall.pending" "$waiting"
}

keep_firewall() {
    mkdir -p "${firewall_conf%/*}"
    if ! { replace_file $firewall_script 755 < "$waiting/script" &&
        replace_file $firewall_conf 644 '' "$firewall_seen" < "$waiting/conf"; }; then
        revert_firewall
        return 1
    fi
    if has_systemd; then
        replace_file /etc/systemd/system/ftl-firewall.service 644 < "$waiting/unit" &&
            systemctl daemon-reload && systemctl -q enable ftl-firewall.service && systemctl restart ftl-firewall.service ||
            return
    else
        note "systemd is not running here: after a reboot the firewall is off until \`ftl setup\` runs again"
    fi
    rm -rf "$waiting"
}

do_allow_in_ufw() { # PORT/PROTOCOL...
    for port in "$@"; do in_ufw allow "$port" || return; done
}

# ESP is open where ufw knows it (0.34): encrypted networks need it, others do not.
do_allow_peers_in_ufw() { # ADDRESS...
    for peer in "$@"; do
        for port in $swarm_ports; do
            in_ufw allow proto "${port%:*}" from "$peer" to any port "${port#*:}" || return
        done
        ufw allow proto esp from "$peer" || note "ufw does not open ESP to $peer: an encrypted network needs it"
    done
}

do_close_to_peers_in_ufw() { # ADDRESS...
    for peer in "$@"; do
        for port in $swarm_ports; do
            in_ufw delete allow proto "${port%:*}" from "$peer" to any port "${port#*:}" || return
        done
        ufw delete allow proto esp from "$peer" || :
    done
}

swarm_ports='tcp:2377 tcp:7946 udp:7946 udp:4789'

# ufw does not wait for the lock of iptables, which an engine takes again and again while it starts. A failed
# `ufw allow` may have flushed the chains and written the rule to ufw's file, so that the next one skips it: only a
# reload puts all rules in force.
in_ufw() { # ARGUMENT...
    if ufw "$@"; then return; fi
    for _ in $(seq 10); do
        sleep 0.5
        if ufw reload && ufw "$@"; then return; fi
    done
    # The server must not be left with half of its rules, even if this process ends.
    (for _ in $(seq 60); do sleep 5 && ufw reload && break; done) > /dev/null 2>&1 3>&- 9>&- < /dev/null &
    return 1
}

# --- sshd
reload_sshd() {
    if has_systemd; then
        systemctl try-reload-or-restart ssh.service
    else
        kill -s HUP "$(cat /run/sshd.pid)"
    fi
}

# It does so a moment after it was told.
await_sshd() {
    for _ in $(seq 50); do
        if [ -z "$(sshd_unread)" ]; then return; fi
        sleep 0.1
    done
    echo "the running sshd does not read its files again: it is not the one that the system's ssh service reloads"
    return 1
}

# SECONDS BASE64 USER: harden sshd, if USER still gets in.
# Until the change is kept, the drop-in includes a file that a reboot removes, before what it had: sshd ignores an Include
# that matches nothing (sshd_config(5)).
do_harden_ssh() {
    # A reload would put in force what nobody has tried, and which no revert of ours takes back.
    unread=$(sshd_unread_of_others)
    if [ -n "$unread" ]; then
        echo "sshd has not read $(printf '%s' "$unread" | head -n 1) since it was changed"
        return 1
    fi
    mode=$(stat -L -c %a $drop_in 2> /dev/null || echo 644)
    drop_in_seen=$(content_digest $drop_in)
    # Without the line that a setup which was cut has left.
    grep -svxF "Include $state/sshd.conf" $drop_in > "$state/drop-in"
    put "$state/sshd.conf" 644 "$2" || return
    guard harden "$1"
    if { echo "Include $state/sshd.conf" && cat "$state/drop-in"; } | replace_file $drop_in "$mode" '' "$drop_in_seen" &&
        sshd -t && hardened "$3" && reload_sshd && await_sshd; then
        drop_in_seen=$(content_digest $drop_in)
        rm -f "$state/drop-in"
        return
    fi
    do_revert
    return 1
}

# USER: whether sshd's files say so: one that it reads earlier, or a Match, overrides ours. And whether it stays where we are.
hardened() {
    for who in root "$1"; do
        settings=$(sshd_settings "$who") || return
        if [ "$who" = root ] && ! printf '%s\n' "$settings" | grep -qx 'permitrootlogin no'; then
            overridden=permitrootlogin
        else
            overridden=$(printf '%s\n' "$settings" | sed -nE \
                's/^((password|kbdinteractive|challengeresponse)authentication) yes$/\1/p' | head -n 1)
        fi
        if [ -n "$overridden" ]; then
            echo "\"$overridden no\" in $drop_in is not in effect for $who: another of sshd's files overrides it"
            return 1
        fi
    done
    port=${connection##* }
    if [ -n "$port" ] && ! printf '%s\n' "$settings" | grep -qE "^(port |listenaddress .*:)$port( |$)" &&
        ! sshd_was_told_where && ! { has_systemd && systemctl -q is-active ssh.socket; }; then
        echo "sshd would listen on port $port no more, on which it has let us in"
        return 1
    fi
}

# Only our line goes: whatever else the file has by now stays.
revert_harden() {
    others=$(grep -svxF "Include $state/sshd.conf" $drop_in)
    if [ -n "$others" ]; then printf '%s\n' "$others" | replace_file $drop_in "$mode"; else rm -f $drop_in; fi
    rm -f "$state/harden.pending" "$state/drop-in" "$state/sshd.conf"
    reload_sshd
}

keep_harden() {
    if ! replace_file $drop_in 644 '' "$drop_in_seen" < "$state/sshd.conf"; then
        revert_harden
        return 1
    fi
    rm -f "$state/sshd.conf"
    reload_sshd || : # it says the same: but by its time, nobody could tell
}
