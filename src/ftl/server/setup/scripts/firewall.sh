#!/bin/sh
# FTL's part of this server's firewall: ftl-firewall apply|remove|check
#
# /etc/ftl/firewall.conf lists the open ports. All rules are in two chains of their own: FTL-INPUT for traffic to the
# server itself, and FTL-FORWARD for ports that containers publish, which never pass INPUT. Other rules are not changed;
# those before ours still apply, and they alone decide about ports marked "leave" (SSH).
set -u
export LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# Setup names another one while a change waits for its confirmation.
conf=${FTL_FIREWALL_CONF:-/etc/ftl/firewall.conf}
applied=/run/ftl-firewall.applied

# The address families of this kernel: a machine without IPv6 needs no rules for it.
tools() {
    echo iptables
    if [ -s /proc/net/if_inet6 ] && ip6tables -w 10 -S INPUT > /dev/null 2>&1; then echo ip6tables; fi
}

own_input() {
    grep -qx 'input own' "$conf"
}

# WORD: PROTOCOL PORT of each line "WORD PORT/PROTOCOL"; other lines are skipped.
listed() {
    awk -F '[ /]' -v word="$1" '
        NF == 3 && $1 == word && $2 ~ /^[0-9]+$/ && $3 ~ /^(tcp|udp)$/ { print $3, $2 }' "$conf"
}

# FAMILY: the addresses of the lines "peer ADDRESS PROJECT": other servers of a cluster.
peers() {
    awk -v tool="$1" '
        NF == 3 && $1 == "peer" && $2 ~ /^[0-9A-Fa-f.:]+$/ && (index($2, ":") > 0) == (tool == "ip6tables") && !seen[$2]++ {
            print $2
        }' "$conf"
}

rules() {
    echo '*filter'
    echo ':FTL-INPUT - [0:0]'
    echo ':FTL-FORWARD - [0:0]'
    echo '-A FTL-INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT'
    # Leave these ports to the other rules: SSH that is limited to one network stays so.
    listed leave | while read -r protocol port; do
        echo "-A FTL-INPUT -p $protocol -m $protocol --dport $port -j RETURN"
    done
    # Traffic from this machine and its own containers.
    for inside in lo docker+ br-+ ftl-+; do echo "-A FTL-INPUT -i $inside -j ACCEPT"; done
    if [ "$1" = ip6tables ]; then
        echo '-A FTL-INPUT -p ipv6-icmp -j ACCEPT'
        echo '-A FTL-INPUT -s fe80::/10 -p udp -m udp --dport 546 -j ACCEPT' # DHCPv6 answers
    else
        echo '-A FTL-INPUT -p icmp -j ACCEPT'
    fi
    listed allow | while read -r protocol port; do
        echo "-A FTL-INPUT -p $protocol -m $protocol --dport $port -j ACCEPT"
    done
    # Swarm mode's ports, and IPsec (ESP) for encrypted networks, between the servers of a cluster alone.
    peers "$1" | while read -r peer; do
        for port in 'tcp 2377' 'tcp 7946' 'udp 7946' 'udp 4789'; do
            echo "-A FTL-INPUT -s $peer -p ${port% *} -m ${port% *} --dport ${port#* } -j ACCEPT"
        done
        echo "-A FTL-INPUT -s $peer -p esp -j ACCEPT"
    done
    echo '-A FTL-INPUT -j DROP'

    echo '-A FTL-FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN'
    for inside in docker+ br-+ ftl-+; do echo "-A FTL-FORWARD -i $inside -j RETURN"; done
    if [ "$1" = iptables ]; then
        echo '-A FTL-FORWARD -m conntrack --ctorigdst 127.0.0.0/8 -j DROP'
    fi
    # FTL's own networks: their containers publish only the ports in `forwards`.
    echo '-A FTL-FORWARD -o ftl-+ -m conntrack --ctstate DNAT -j RETURN'
    # The port that the client connected to, before Docker translated it to the container's.
    { listed leave; listed allow; } | while read -r protocol port; do
        echo "-A FTL-FORWARD -p $protocol -m conntrack --ctstate DNAT --ctorigdstport $port -j RETURN"
    done
    echo '-A FTL-FORWARD -m conntrack --ctstate DNAT -j DROP'
    # Packets that neighbours send to a container's own address.
    for inside in docker+ br-+ ftl-+; do echo "-A FTL-FORWARD -o $inside -j DROP"; done
    echo COMMIT
}

# TOOL CHAIN TARGET: whether the jump is there, and no rule before it ends the chain for all traffic.
hooked() {
    "$1" -w 10 -S "$2" | awk -v target="$3" '
        $1 == "-A" && $3 == "-j" && $4 == target { found = 1; exit }
        $1 == "-A" && $3 == "-j" && $4 ~ /^(DROP|REJECT|RETURN|ACCEPT)$/ { exit }
        END { exit !found }'
}

# TOOL CHAIN TARGET: insert a jump before the first rule that ends the chain for all traffic, else at the end.
# Docker appends such a rule to its chain when it starts, perhaps just before our jump is appended: then once more.
hook() {
    for _ in 1 2 3; do
        hooked "$@" && return
        unhook "$@"
        position=$("$1" -w 10 -S "$2" | awk '
            $1 == "-A" { count++ }
            $1 == "-A" && $3 == "-j" && $4 ~ /^(DROP|REJECT|RETURN|ACCEPT)$/ { print count; exit }')
        if [ -n "$position" ]; then
            "$1" -w 10 -I "$2" "$position" -j "$3"
        else
            "$1" -w 10 -A "$2" -j "$3"
        fi
    done
    hooked "$@"
}

unhook() {
    while "$1" -w 10 -D "$2" -j "$3" 2> /dev/null; do :; done
}

apply() {
    if [ -z "$(listed leave)$(listed allow)" ]; then
        echo "$conf opens no port, not even for SSH: nothing was changed" >&2
        return 1
    fi
    for tool in $(tools); do
        rules "$tool" | "$tool-restore" -w 10 --noflush || return
        # Docker uses the chain if it exists when it starts, and keeps its rules.
        "$tool" -w 10 -N DOCKER-USER 2> /dev/null
        hook "$tool" DOCKER-USER FTL-FORWARD || return
        if own_input; then
            hook "$tool" INPUT FTL-INPUT || return
        else
            unhook "$tool" INPUT FTL-INPUT
        fi
    done
    live > "$applied"
}

remove() {
    for tool in $(tools); do
        unhook "$tool" INPUT FTL-INPUT
        unhook "$tool" DOCKER-USER FTL-FORWARD
        for chain in FTL-INPUT FTL-FORWARD; do
            "$tool" -w 10 -F "$chain" 2> /dev/null
            "$tool" -w 10 -X "$chain" 2> /dev/null
        done
    done
    rm -f "$applied"
}

# The rules in force, as iptables prints them; that differs between versions, so it is compared with an earlier output.
live() {
    for tool in $(tools); do
        echo "$tool"
        "$tool" -w 10 -S FTL-INPUT
        "$tool" -w 10 -S FTL-FORWARD
        hooked "$tool" INPUT FTL-INPUT && echo '-A INPUT -j FTL-INPUT'
        hooked "$tool" DOCKER-USER FTL-FORWARD && echo '-A DOCKER-USER -j FTL-FORWARD'
    done
}

case "${1-}" in
apply) apply ;;
remove) remove ;;
check) [ -s "$applied" ] && live 2> /dev/null | cmp -s "$applied" - ;;
*)
    echo "usage: ftl-firewall apply|remove|check" >&2
    exit 2
    ;;
esac
