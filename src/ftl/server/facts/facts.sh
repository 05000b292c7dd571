# Prints facts about a server. Each line is a name, a tab and a value; a name may repeat. A value that may contain line
# breaks is in base64. Needs no rights and changes nothing.
fact() { # NAME VALUE
    printf '%s\t%s\n' "$1" "$2"
}

lines() { # NAME: a fact for each line of stdin
    while IFS= read -r line; do fact "$1" "$line"; done
}

blob() { # NAME: stdin in base64
    printf '%s\t%s\n' "$1" "$(base64 | tr -d '\n')"
}

file() { # NAME PATH: a file's content, if it exists
    if [ -f "$2" ]; then blob "$1" < "$2"; fi
}

has() { # PROGRAM
    command -v "$1" > /dev/null 2>&1
}

# FOLDER: the system, its memory, the disk that a folder is on, and the TCP ports that something listens on.
machine_facts() {
    if [ -r /etc/os-release ]; then lines os-release < /etc/os-release; fi
    grep -E '^(MemTotal|MemAvailable|SwapTotal):' /proc/meminfo | lines memory
    df -Pk -- "$1" 2> /dev/null | tail -n 1 | lines disk
    awk 'FNR > 1 && $4 == "0A" { print $2 }' /proc/net/tcp /proc/net/tcp6 2> /dev/null | sort -u | lines tcp
}

