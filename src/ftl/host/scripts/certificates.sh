# Reports certificates of a project that will not renew. Follows docker.sh, records.sh and notify.sh. Runs on the server, daily by cron.
#
# $1: the project.
# A certificate that is renewed in time has a third of its lifetime left then; `ftl doctor` has the same limit as this.
set -uf
LC_ALL=C
export LC_ALL
project=$1
! elsewhere "$project" || exit 0
notify_file "$project" | sed -n 's/^host //p' | while read -r host; do
    presented=$(timeout 20 openssl s_client -connect 127.0.0.1:443 -servername "$host" </dev/null 2>&1)
    dates=$(printf '%s\n' "$presented" | openssl x509 -noout -startdate -enddate 2>/dev/null)
    if [ -z "$dates" ]; then
        # Without a proxy that answers there is another problem than a certificate.
        case $presented in
        *'no peer certificate available'*) notify "$project" certificate "there is no certificate for $host" ;;
        esac
        continue
    fi
    start=$(date -d "$(printf '%s\n' "$dates" | sed -n 's/^notBefore=//p')" +%s) || continue
    end=$(date -d "$(printf '%s\n' "$dates" | sed -n 's/^notAfter=//p')" +%s) || continue
    soon=$(((end - start) / 6))
    [ "$soon" -le 1209600 ] || soon=1209600
    left=$((end - $(date +%s)))
    [ "$left" -lt "$soon" ] || continue
    word=expires
    [ "$left" -gt 0 ] || word=expired
    notify "$project" certificate "the certificate of $host $word on $(date -u -d "@$end" +%Y-%m-%d), and was not renewed"
done
