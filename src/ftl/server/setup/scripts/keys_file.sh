# FILE NAME HOME: one of sshd's AuthorizedKeysFile for a user: its tokens (sshd_config(5)) replaced, below the home
# folder unless it is absolute. From left to right, so that nothing that was put in is looked at again.
keys_file() {
    rest=$1 found=
    while [ "$rest" != "${rest#*%}" ]; do
        found=$found${rest%%\%*} rest=${rest#*%}
        case $rest in
        u*) found=$found$2 ;;
        h*) found=$found$3 ;;
        U*) found=$found$(id -u "$2") ;;
        %*) found=$found% ;;
        esac
        rest=${rest#?}
    done
    found=$found$rest
    case $found in /*) ;; *) found=$3/$found ;; esac
    printf '%s' "$found"
}

