# Whether rules, as `sudo -l` shows them, make somebody root without a password. Some rule or other is not enough, and
# of those that fit the last one decides (sudoers(5)).
make_root() {
    awk '/^ +\(.*ALL/ { may = /^ +\((ALL|root)( : [^)]*)?\) NOPASSWD: ALL$/ } END { exit !may }'
}

