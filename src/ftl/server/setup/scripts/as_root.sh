# Runs a script as root, by sudo where needed: sh -c THIS sh SCRIPT [ARGUMENT]...
# The first line of stdin is the password for sudo, empty if there is none; the rest is the script's stdin. The script
# gets the login user and $SSH_CONNECTION before its own arguments (sudo keeps neither).
# The first line of output: "ftl-root", one of ok, no-sudo, password (one is needed) and refused, and sudo's message.
export LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
IFS= read -r password
script=$1
shift
login=$(id -un)

result() {
    printf 'ftl-root\t%s\t%s\n' "$1" "$2"
}

if [ "$(id -u)" = 0 ]; then
    result ok
    exec sh -c "$script" sh "$login" "${SSH_CONNECTION-}" "$@"
fi
if ! command -v sudo > /dev/null 2>&1; then
    result no-sudo
    exit 0
fi
if sudo -n true 2> /dev/null; then
    result ok
    exec sudo -n sh -c "$script" sh "$login" "${SSH_CONNECTION-}" "$@"
fi
if [ -z "$password" ]; then
    result password "$(id -nG)"
    exit 0
fi
# Checked once by itself: after a wrong password sudo would read the script's stdin as the next attempt.
if ! message=$(printf '%s\n' "$password" | sudo -k -S -p '' true 2>&1); then
    result refused "$(printf '%s' "$message" | tr '\n\t' '  ')"
    exit 0
fi
result ok
{
    printf '%s\n' "$password"
    exec cat
} | sudo -k -S -p '' sh -c "$script" sh "$login" "${SSH_CONNECTION-}" "$@"
