# --- one step after the other
tell ftl-hand
while IFS= read -r verb; do
    IFS= read -r count || break
    set --
    while [ "$count" -gt 0 ]; do
        IFS= read -r word || break 2
        set -- "$@" "$word"
        count=$((count - 1))
    done
    : > "$log"
    case $verb in
    refresh | install | docker | unattended | daemon | engine | user | group | key | sudoer | swap | firewall | ufw | harden | keep | revert)
        "do_$verb" "$@" < /dev/null >> "$log" 2>&1
        ;;
    *)
        echo "there is no step $verb" > "$log"
        false
        ;;
    esac
    if [ $? = 0 ]; then
        tell 'done' || break
    else
        tail -n 40 "$log" | tr '\r' '\n' | while IFS= read -r line; do printf 'log\t%s\n' "$line"; done >&3 2> /dev/null
        tell failed || break
    fi
done
do_revert > /dev/null 2>&1
rm -f "$log"
