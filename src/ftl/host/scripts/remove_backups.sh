# Removes the scheduled backups of a project, and their folder if nothing else is in it. Runs in a container with the
# folder of all projects in /backups.
#
# $1: the project.
cd "/backups/$1" || exit
stamp='[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]-[0-9][0-9][0-9][0-9][0-9][0-9]'
for suffix in dump sql archive rdb; do
    # shellcheck disable=SC2086
    rm -f ./*-$stamp.$suffix ./*-$stamp.$suffix.partial || exit
done
cd .. && rmdir "$1" 2>/dev/null
exit 0
