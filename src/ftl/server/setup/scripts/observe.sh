# What a server is and has: lines of a name, a tab and a value; what may have lines of its own is in base64.
# Runs as root, changes nothing. Arguments: who logged in, $SSH_CONNECTION, the deploy user (empty: who logged in),
# the bodies of our public keys, a line each.
export LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin
login=$1 connection=$2 user=${3:-$1} key=$4

fact() {
    printf '%s\t%s\n' "$1" "$2"
}

blob() {
    printf '%s\t%s\n' "$1" "$(base64 | tr -d '\n')"
}

has() {
    command -v "$1" > /dev/null 2>&1
}

text() {
    if [ -f "$2" ]; then blob "$1" < "$2"; fi
}

# ufw does not wait for iptables' lock, which an engine takes for each container that comes or goes.
ufw_says() { # WORD...
    for _ in $(seq 10); do
        if ufw "$@" 2> /dev/null; then return; fi
        sleep 0.5
    done
}

fact login "$login"
fact user "$user"
text os-release /etc/os-release
fact architecture "$(dpkg --print-architecture 2> /dev/null || uname -m)"
if [ -d /run/systemd/system ]; then fact systemd yes; fi
fact free "$(df -Pk /var | awk 'NR == 2 { printf "%.0f", $4 * 1024 }')"
fact memory "$(awk '$1 == "MemTotal:" { printf "%.0f", $2 * 1024 }' /proc/meminfo)"
fact swap "$(awk 'NR > 1 { sum += $3 } END { printf "%.0f", sum * 1024 }' /proc/swaps)"

dpkg-query -W -f '${db:Status-Abbrev}\tpackage\t${Package}\n' \
    zstd iptables ca-certificates sudo unattended-upgrades docker.io docker-ce 2> /dev/null | sed -n 's/^.i.*\tpackage/package/p'
text auto-upgrades /etc/apt/apt.conf.d/20auto-upgrades

# --- the engine
if has dockerd; then fact dockerd "$(command -v dockerd)"; fi
if has docker; then fact docker yes; fi
text daemon /etc/docker/daemon.json
if pid=$(engine_pid); then tr '\0' '\n' < "/proc/$pid/cmdline" 2> /dev/null | blob engine-arguments; fi
if has docker && engine=$(timeout 10 docker info --format '{{.LiveRestoreEnabled}} {{.Swarm.LocalNodeState}} {{.ContainersRunning}}' 2> /dev/null); then
    fact engine "$engine"
    timeout 10 docker ps --format '{{if .Label "ftl.role"}}ftl{{else}}foreign{{end}}-ports\t{{.Ports}}' 2> /dev/null
fi

# --- the deploy user
if account=$(getent passwd "$user"); then
    fact account "$account"
    fact groups "$(id -nG "$user")"
fi
home=$(printf '%s' "$account" | cut -d: -f6)
if has sudo && [ -n "$account" ]; then
    # Who came in as this user is root now, and not by being root: by sudo, and by its password if it wanted one.
    if [ "$login" = "$user" ] && [ "$(id -u "$user")" != 0 ]; then
        fact sudoer yes
    elif sudo -l -U "$user" 2> /dev/null | make_root; then
        fact sudoer yes
    fi
fi

# --- sshd
if has sshd; then
    settings=$(sshd -T -C "user=$user,host=localhost,addr=127.0.0.1" 2> /dev/null)
    printf '%s\n' "$settings" | awk '
        $1 == "port" { print "ssh-port\t" $2 }
        $1 ~ /^(permitrootlogin|passwordauthentication|kbdinteractiveauthentication|challengeresponseauthentication)$/ {
            print $1 "\t" $2
        }
        $1 == "authorizedkeysfile" { for (i = 2; i <= NF; i++) print "keys-file\t" $i }'
    printf '%s\n' "$settings" | awk '$1 == "authorizedkeysfile" { for (i = 2; i <= NF; i++) print $i }' |
        while read -r file; do
            path=$(keys_file "$file" "$user" "$home")
            if [ -n "$key" ] && [ -f "$path" ] && grep -v '^[[:space:]]*#' "$path" | grep -qF "$key"; then
                fact authorised "$path"
            fi
        done
fi
if grep -qsiE '^[[:space:]]*Include[[:space:]]+/etc/ssh/sshd_config\.d/' /etc/ssh/sshd_config; then fact sshd-include yes; fi
fact connection "$connection"
if has systemctl && systemctl -q is-active ssh.socket 2> /dev/null; then
    fact ssh-socket "$(systemctl show -p Listen --value ssh.socket 2> /dev/null | tr '\n' ' ')"
fi

# --- the firewall
if has ufw; then
    case $(ufw_says status) in
    'Status: active'*) ufw_says show added | blob ufw ;;
    '') if grep -qs '^ENABLED=yes' /etc/ufw/ufw.conf; then fact ufw-silent yes; fi ;;
    esac
fi
if has firewall-cmd && firewall-cmd --state > /dev/null 2>&1; then fact firewalld yes; fi
text firewall-rules /etc/ftl/firewall.conf
text firewall-script /usr/local/sbin/ftl-firewall
text firewall-unit /etc/systemd/system/ftl-firewall.service
if has systemctl && systemctl -q is-enabled ftl-firewall.service 2> /dev/null; then fact firewall-enabled yes; fi
if [ -x /usr/local/sbin/ftl-firewall ] && /usr/local/sbin/ftl-firewall check > /dev/null 2>&1; then
    fact firewall-holds yes
fi
for table in tcp tcp6 udp udp6; do
    awk -v table="$table" 'NR > 1 && (table ~ /^udp/ || $4 == "0A") { print table, $2 }' "/proc/net/$table" 2> /dev/null
done | sort -u | blob listening
if has wg; then wg show all listen-port 2> /dev/null | awk '$2 ~ /^[0-9]+$/ { print "wireguard\t" $2 }'; fi
fact end yes
