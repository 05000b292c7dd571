# Runs a script as root, by sudo where that is needed: sh -c THIS sh SCRIPT [ARGUMENT]...
# The first line of stdin is the password for sudo, empty if there is none; the rest belongs to the script, which gets
# who logged in and $SSH_CONNECTION before its own arguments (sudo keeps neither).
# First of all one line goes to stdout: "ftl-root", and ok, no-sudo, password (one is needed), refused, and sudo's words.
export LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
IFS= read -r password
script=$1
shift
login=$(id -un)

tell() {
    printf 'ftl-root\t%s\t%s\n' "$1" "$2"
}

if [ "$(id -u)" = 0 ]; then
    tell ok
    exec sh -c "$script" sh "$login" "${SSH_CONNECTION-}" "$@"
fi
if ! command -v sudo > /dev/null 2>&1; then
    tell no-sudo
    exit 0
fi
if sudo -n true 2> /dev/null; then
    tell ok
    exec sudo -n sh -c "$script" sh "$login" "${SSH_CONNECTION-}" "$@"
fi
if [ -z "$password" ]; then
    tell password "$(id -nG)"
    exit 0
fi
# Tried once by itself: a wrong password must not have sudo take the script's input for the next try.
if ! words=$(printf '%s\n' "$password" | sudo -k -S -p '' true 2>&1); then
    tell refused "$(printf '%s' "$words" | tr '\n\t' '  ')"
    exit 0
fi
tell ok
{
    printf '%s\n' "$password"
    exec cat
} | sudo -k -S -p '' sh -c "$script" sh "$login" "${SSH_CONNECTION-}" "$@"
