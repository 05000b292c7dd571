# PATTERN USER HOME: the path of one of sshd's AuthorizedKeysFile patterns for a user: tokens (sshd_config(5)) are
# replaced, and a relative path is below the home folder. It goes from left to right, so that inserted text is not
# expanded again.
keys_file() {
    rest=$1 path=
    while [ "$rest" != "${rest#*%}" ]; do
        path=$path${rest%%\%*} rest=${rest#*%}
        case $rest in
        u*) path=$path$2 ;;
        h*) path=$path$3 ;;
        U*) path=$path$(id -u "$2") ;;
        %*) path=$path% ;;
        esac
        rest=${rest#?}
    done
    path=$path$rest
    case $path in /*) ;; *) path=$3/$path ;; esac
    printf '%s' "$path"
}

