# Prints facts about the server (facts.sh comes before it). Runs as root, changes nothing. Arguments: the login user,
# $SSH_CONNECTION, the deploy user (empty: the login user), the bodies of our public keys, a line each.
export LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin
login=$1 connection=$2 user=${3:-$1} key=$4

# ufw does not wait for the lock of iptables, which an engine takes for each container that starts or stops.
retry_ufw() { # WORD...
    for _ in $(seq 10); do
        if ufw "$@" 2> /dev/null; then return; fi
        sleep 0.5
    done
}

fact login "$login"
fact user "$user"
machine_facts /var
awk 'FNR > 1 { print $2 }' /proc/net/udp /proc/net/udp6 2> /dev/null | sort -u | lines udp
fact architecture "$(dpkg --print-architecture 2> /dev/null || uname -m)"
if [ -d /run/systemd/system ]; then
    fact systemd yes
    for unit in docker cron crond; do
        if [ "$(systemctl is-enabled "$unit" 2> /dev/null)" = disabled ]; then fact disabled "$unit"; fi
    done
fi

dpkg-query -W -f '${db:Status-Abbrev}\tpackage\t${Package}\n' \
    zstd iptables ca-certificates sudo unattended-upgrades tzdata docker.io docker-ce 2> /dev/null | sed -n 's/^.i.*\tpackage/package/p'
if has crontab; then fact package cron; fi # of any package: cron, cronie, systemd-cron
if cron_runs; then fact cron yes; fi
file auto-upgrades /etc/apt/apt.conf.d/20auto-upgrades

# --- the engine
if has dockerd; then fact dockerd "$(command -v dockerd)"; fi
if has docker; then fact docker yes; fi
file daemon /etc/docker/daemon.json
if pid=$(engine_pid); then tr '\0' '\n' < "/proc/$pid/cmdline" 2> /dev/null | blob engine-arguments; fi
swarm='{{.LiveRestoreEnabled}} {{.Swarm.LocalNodeState}} {{.ContainersRunning}}{{"\n"}}{{.ID}} {{.ServerVersion}}{{"\n"}}{{json .Swarm}}'
# A manager without a leader answers after 20 s only (20.10 to 28.5).
if has docker && info=$(timeout 25 docker info --format "$swarm" 2> /dev/null); then
    fact engine "$(printf '%s\n' "$info" | sed -n 1p)"
    fact engine-id "$(printf '%s\n' "$info" | sed -n 2p)"
    fact swarm "$(printf '%s\n' "$info" | sed -n 3p)"
    case $info in
    *" inactive "*) ;;
    *) fact cluster-node "$(timeout 10 docker volume inspect --format '{{index .Labels "ftl.cluster"}}' ftl-cluster 2> /dev/null)" ;;
    esac
    case $info in *'"Cluster":{"ID"'*) timeout 10 docker node ls --format '{{.ID}}' 2> /dev/null | lines swarm-node ;; esac
    timeout 10 docker ps --format '{{if .Label "ftl.role"}}ftl{{else}}foreign{{end}}-ports\t{{.Ports}}' 2> /dev/null
fi

# --- the deploy user
if account=$(getent passwd "$user"); then
    fact account "$account"
    fact groups "$(id -nG "$user")"
fi
home=$(printf '%s' "$account" | cut -d: -f6)
if has sudo && [ -n "$account" ]; then
    # A login user who is root now, and was not by its UID, became root by sudo, with its password if sudo wanted one.
    if [ "$login" = "$user" ] && [ "$(id -u "$user")" != 0 ]; then
        fact sudoer yes
    elif sudo -l -U "$user" 2> /dev/null | make_root; then
        fact sudoer yes
    fi
fi

# --- addresses at which other servers may reach it, with the largest packets of their interfaces
if has ip; then
    ip -o addr show scope global 2> /dev/null | awk '{ print $2, $4 }' | while read -r interface address; do
        fact address "$address $(cat "/sys/class/net/${interface%%@*}/mtu" 2> /dev/null) $interface"
    done
fi
fact clock "$(date +%s)"

# --- sshd
if has sshd; then
    settings=$(sshd_settings "$user" 2> /dev/null)
    # A change that was never kept ends with a reboot, whatever is in effect now.
    # Who may log in as root is asked of root: a `Match` may answer otherwise for the deploy user.
    {
        printf '%s\n' "$settings" | grep -v '^permitrootlogin '
        sshd_settings root 2> /dev/null | grep '^permitrootlogin '
    } | awk -v kept="$([ -e /run/ftl-setup/harden.pending ] || echo yes)" '
        $1 == "port" { print "ssh-port\t" $2 }
        $1 == "permitrootlogin" && !kept { print "permitrootlogin\tunkept"; next }
        $1 ~ /^(permitrootlogin|passwordauthentication|kbdinteractiveauthentication|challengeresponseauthentication)$/ {
            print $1 "\t" $2
        }
        $1 == "authorizedkeysfile" { for (i = 2; i <= NF; i++) print "keys-file\t" $i }'
    printf '%s\n' "$settings" | awk '$1 == "authorizedkeysfile" { for (i = 2; i <= NF; i++) print $i }' |
        while read -r pattern; do
            path=$(keys_file "$pattern" "$user" "$home")
            if [ -n "$key" ] && [ -f "$path" ] && grep -v '^[[:space:]]*#' "$path" | grep -qF "$key"; then
                fact authorised "$path"
            fi
        done
    sshd_unread | lines sshd-unread
    sshd_exceptions | lines sshd-exception
fi
if grep -qsiE '^[[:space:]]*Include[[:space:]]+/etc/ssh/sshd_config\.d/' /etc/ssh/sshd_config; then fact sshd-include yes; fi
fact connection "$connection"
if has systemctl && systemctl -q is-active ssh.socket 2> /dev/null; then
    fact ssh-socket "$(systemctl show -p Listen --value ssh.socket 2> /dev/null | tr '\n' ' ')"
fi

# --- the firewall
if has ufw; then
    case $(retry_ufw status) in
    'Status: active'*) retry_ufw show added | blob ufw ;;
    '') if grep -qs '^ENABLED=yes' /etc/ufw/ufw.conf; then fact ufw-silent yes; fi ;;
    esac
fi
if has firewall-cmd && firewall-cmd --state > /dev/null 2>&1; then fact firewalld yes; fi
file firewall-conf /etc/ftl/firewall.conf
file firewall-script /usr/local/sbin/ftl-firewall
file firewall-unit /etc/systemd/system/ftl-firewall.service
if has systemctl && systemctl -q is-enabled ftl-firewall.service 2> /dev/null; then fact firewall-enabled yes; fi
if [ -x /usr/local/sbin/ftl-firewall ] && /usr/local/sbin/ftl-firewall check > /dev/null 2>&1; then
    fact firewall-in-force yes
fi
if has wg; then wg show all listen-port 2> /dev/null | awk '$2 ~ /^[0-9]+$/ { print "wireguard\t" $2 }'; fi
fact end yes
