# The lock of the proxy's configuration and certificates; another script follows. Runs inside the proxy.
#
# Whoever takes it removes `$lock` at the end.
lock=/dev/shm/ftl-proxy
# The image's busybox may lack flock.
take_lock() {
    tries=0
    until mkdir "$lock" 2>/dev/null; do
        tries=$((tries + 1))
        # 30 s: the process that took the lock was killed.
        [ "$tries" -lt 150 ] || break
        sleep 0.2
    done
}
