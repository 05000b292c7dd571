# Common beginning of the scripts that a transfer runs on a server. Sets $cache, the folder of cached layers.
# They parse what tools print and list there, so that must not depend on the user's language and settings.
export LC_ALL=C
unset TIME_STYLE PERL_UNICODE PERL5OPT PERL5LIB PERLIO
umask 077
cache="${XDG_CACHE_HOME:-$HOME/.cache}/ftl/layers"

# When a process was started, in ticks: field 22 of proc(5)'s stat, which is the 20th after the program's name.
# After a restart another process may have the number of one that is gone, but it was not started at the same time.
started() {
  read -r stat 2>/dev/null < "/proc/$1/stat" || return 0
  set -- ${stat##*) }
  echo "${20}"
}
