# Prints the server's capabilities and its cached layers, a name and a value a line. Follows prelude.sh and
# images_folder.sh. Sizes of disks and memory are in kilobytes ("cache" is missing where layers cannot be cached);
# "layer" lines come newest first; "took" is the duration of this script in nanoseconds.
began=$(date +%s%N)
echo "zstd $(zstd --version 2>/dev/null)"
echo "docker $(command -v docker)"
echo "exact $(printf abcd | { head -c 2 >/dev/null; cat; })"
echo "perl $(perl -e 'print unpack("%64Q<*", "abcdefgh")' 2>/dev/null)"
echo "memory $(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo)"
echo "images $(df -Pk "$images" | awk 'NR == 2 { print $4 }')"
if mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ]; then
  echo "cache $(df -Pk "$cache" | awk 'NR == 2 { print $4 }')"
fi
ls -ltn "$cache" 2>/dev/null | awk '$9 ~ /^[0-9a-f]+-[0-9]+$/ { print "layer", $9, $5 }' | head -n 500
echo "took $(($(date +%s%N) - began))"
