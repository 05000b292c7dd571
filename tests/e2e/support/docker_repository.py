"""Package repository laid out like Docker's on a lab server, with Debian's engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.servers import Server

PORT = 8088

# Arguments: the distribution's name and the suite's, and the port. Debian's engine under the name of Docker's, and two
# packages with nothing in them.
_MAKE = r"""
set -e
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends gpg gpg-agent apt-utils busybox
top=/srv/repository/linux/$1
binaries=dists/$2/stable/binary-amd64
mkdir -p "$top/pool" "$top/$binaries"
cd /tmp
apt-get download -q docker.io
dpkg-deb --raw-extract docker.io_*.deb docker-ce
sed -i -e 's/^Package: .*/Package: docker-ce/' -e 's/^Version: .*/Version: 5:99.0/' -e '/^Conflicts:/d' \
    docker-ce/DEBIAN/control
for package in docker-ce-cli containerd.io; do
    mkdir -p "$package/DEBIAN"
    printf '%s\n' "Package: $package" 'Version: 5:99.0' 'Architecture: amd64' 'Maintainer: lab' 'Description: lab' \
        > "$package/DEBIAN/control"
done
for package in docker-ce docker-ce-cli containerd.io; do
    dpkg-deb -Znone --build "$package" "$top/pool/$package.deb"
done
cd "$top"
apt-ftparchive packages pool > "$binaries/Packages"
apt-ftparchive -o APT::FTPArchive::Release::Suite="$2" -o APT::FTPArchive::Release::Codename="$2" \
    -o APT::FTPArchive::Release::Components=stable -o APT::FTPArchive::Release::Architectures=amd64 \
    release "dists/$2" > /tmp/Release
mv /tmp/Release "dists/$2/Release"
gpg --batch --quiet --passphrase '' --quick-generate-key lab@example.com default default never
gpg --armor --export > gpg
gpg --batch --clearsign --output "dists/$2/InRelease" "dists/$2/Release"
busybox httpd -p "$3" -h /srv/repository
"""


def serve(server: Server, *, distribution: str = "debian", suite: str = "bookworm") -> str:
    """Make and serve the repository; returns what `--docker-repository` is told."""
    server.run("sh", "-c", _MAKE, "sh", distribution, suite, str(PORT), timeout=300)
    return f"http://{server.address}:{PORT}/linux"
