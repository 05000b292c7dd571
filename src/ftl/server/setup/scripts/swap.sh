# --- swap
do_add_swap() { # BYTES
    file=/swapfile
    if [ -e $file ]; then
        echo "$file exists already, and is not in use as swap"
        return 1
    fi
    { fallocate -l "$1" $file || dd if=/dev/zero of=$file bs=1M count=$(($1 / 1048576)); } &&
        chmod 600 $file && mkswap $file && swapon $file || { rm -f $file; return 1; }
    grep -qs "^$file " /etc/fstab || echo "$file none swap sw 0 0" >> /etc/fstab
}
