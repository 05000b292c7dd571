# What sshd does, and whether that is what its files say. $connection is $SSH_CONNECTION. Follows own_processes.sh.
sshd_config=/etc/ssh/sshd_config drop_in=/etc/ssh/sshd_config.d/00-ftl.conf

# sshd_settings USER: those for a user who comes from where we come from, with all that a `Match` may ask for: sshd prints
# none where one asks for something else.
sshd_settings() {
    # shellcheck disable=SC2086 # four words
    set -- "$1" $connection
    sshd -T -C "user=$1,host=${2:-127.0.0.1},addr=${2:-127.0.0.1},laddr=${4:-127.0.0.1},lport=${5:-22}"
}

# The file into which the running sshd has written its PID. Nothing where nobody knows, as for one that is started for each
# connection.
sshd_pid_file() {
    pid_file=$(sshd_settings root 2> /dev/null | sed -n 's/^pidfile //p')
    if [ -n "$pid_file" ] && [ -e "$pid_file" ] &&
        own_processes sshd | grep -qx "$(cat "$pid_file" 2> /dev/null)"; then
        echo "$pid_file"
    fi
}

# Whether the running sshd has its ports from its arguments, which `sshd -T` does not know and a reload does not change. It
# has them in its title, or still as they were.
sshd_was_told_where() {
    pid_file=$(sshd_pid_file)
    [ -n "$pid_file" ] && tr '\0' ' ' < "/proc/$(cat "$pid_file")/cmdline" |
        grep -qE -e ' -[46De]*p *[0-9]' -e ' -[46De]*o *([Pp]ort|[Ll]isten[Aa]ddress)[ =]'
}

# The files and folders that the running sshd has not read since they were changed: it writes its PID into a file each time
# that it reads them. Nothing where nobody knows; one that is started for each connection reads them each time. A change in
# the future, by a clock that ran ahead, says nothing: no reload would be later.
sshd_unread() {
    pid_file=$(sshd_pid_file)
    if [ -n "$pid_file" ]; then
        find -L $sshd_config "${drop_in%/*}" -maxdepth 1 \( -name '*.conf' -o -name sshd_config -o -type d \) \
            -newercm "$pid_file" ! -newerct now 2> /dev/null
    fi
}

# The same without the file that only setup writes, and its folder.
sshd_unread_of_others() {
    sshd_unread | grep -vxF -e $drop_in -e "${drop_in%/*}"
}

# `Match` blocks that let in by password, or root: FILE: MATCH.
sshd_exceptions() {
    for file in $sshd_config "${drop_in%/*}"/*.conf; do
        if [ ! -f "$file" ]; then continue; fi
        awk -v file="$file" '
            { line = $0; gsub(/^[ \t]+|[ \t]+$/, "", line)
              key = value = tolower(line)
              sub(/[ \t=].*/, "", key); sub(/^[^ \t=]*[ \t=]+/, "", value); gsub(/"/, "", value); sub(/[ \t].*/, "", value) }
            key == "match" { block = line; next }
            block == "" { next }
            key ~ /^(passwordauthentication|kbdinteractiveauthentication|challengeresponseauthentication)$/ && value == "yes" ||
            key == "permitrootlogin" && value != "no" { print file ": " block; block = "" }' "$file"
    done
}
