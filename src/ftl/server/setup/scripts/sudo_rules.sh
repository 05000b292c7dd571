# Whether rules, as `sudo -l` prints them, allow any command as root without a password. Rules for single commands are
# not enough, and of several that match the last one wins (sudoers(5)).
make_root() {
    awk '/^ +\(.*ALL/ { may = /^ +\((ALL|root)( : [^)]*)?\) NOPASSWD: ALL$/ } END { exit !may }'
}

