# --- one step after the other
answer ftl-ready
while IFS= read -r kind; do
    IFS= read -r count || break
    set --
    while [ "$count" -gt 0 ]; do
        IFS= read -r argument || break 2
        set -- "$@" "$argument"
        count=$((count - 1))
    done
    : > "$log"
    if has "do_$kind"; then
        "do_$kind" "$@" < /dev/null >> "$log" 2>&1
    else
        echo "unknown step $kind" > "$log"
        false
    fi
    if [ $? = 0 ]; then
        answer 'done' || break
    else
        tail -n 40 "$log" | tr '\r' '\n' | while IFS= read -r line; do printf 'log\t%s\n' "$line"; done >&3 2> /dev/null
        answer failed || break
    fi
done
do_revert > /dev/null 2>&1
rm -f "$log"
