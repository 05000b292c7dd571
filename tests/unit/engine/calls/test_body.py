"""Files of a container: where they are unpacked, and what is mounted for them."""

from __future__ import annotations

import io
import tarfile

import pytest

from ftl.engine import labels
from ftl.engine.calls import body
from ftl.engine.specs import ContainerFile, ContainerSpec
from ftl.engine.values import Mount

READ_ONLY = {"HostConfig.ReadonlyRootfs": True}
TMPFS = {"HostConfig.Tmpfs": {"/run": "size=1m", "/var/tmp/": ""}}


def file(path: str) -> ContainerFile:
    """A file."""
    return ContainerFile(path, path, 0o400, 1, 2)


@pytest.mark.parametrize(
    ("settings", "path", "folder"),
    [
        ({}, "/run/secrets/key", "/"),
        (READ_ONLY, "/run/secrets/key", "/run/secrets"),
        (READ_ONLY, "/etc/app/../app/a.conf", "/etc/app"),
        (TMPFS, "/run/secrets/key", "/run/secrets"),
        (TMPFS, "/var/tmp/a/key", "/var/tmp/a"),
        (TMPFS, "/runner/key", "/"),
        (TMPFS | READ_ONLY, "/srv/app/key", "/srv/app"),
    ],
)
def test_a_file_that_would_be_hidden_or_refused_has_a_volume(
    settings: dict[str, object], path: str, folder: str
) -> None:
    """Of its folder; the archive for it has the file's name alone."""
    spec = ContainerSpec(image="i", labels={}, settings=settings, files=(file(path), file("/etc/other/a")))
    folders = body.file_folders(spec)
    assert folders[folder][0].path == path
    host = body.container(spec, log_driver="")["HostConfig"]
    assert isinstance(host, dict)
    mounted = [mount["Target"] for mount in host["Mounts"]]
    assert (folder in mounted) is (folder != "/")
    assert "/" not in mounted
    with tarfile.open(fileobj=io.BytesIO(body.file_archive([file(path)], folder))) as archive:
        (member,) = archive
    wanted = path.lstrip("/") if folder == "/" else path.rpartition("/")[2]
    assert (member.name, member.mode, member.uid, member.gid) == (wanted, 0o400, 1, 2)


@pytest.mark.parametrize("mounted", [False, True])
def test_the_volume_of_a_file_is_marked_and_never_a_second_mount(mounted: bool) -> None:
    """Its folder may be one of data: a VOLUME of the image, or a nameless volume that is carried over."""
    data = (Mount("0" * 64, "/srv/app/"),) if mounted else ()
    spec = ContainerSpec(
        image="i", labels={"a": "b"}, settings=READ_ONLY, files=(file("/srv/app/key"),), mounts=data
    )
    made = body.container(spec, log_driver="")
    host, label_map = made["HostConfig"], made["Labels"]
    assert isinstance(host, dict)
    assert isinstance(label_map, dict)
    assert [mount.get("Source") for mount in host["Mounts"]] == ["0" * 64 if mounted else None]
    assert label_map["a"] == "b"
    assert label_map.get(labels.FILES) == (None if mounted else "/srv/app")


@pytest.mark.parametrize("needs", [False, True])
def test_a_path_that_must_exist_is_a_mount_and_no_bind(needs: bool) -> None:
    """The engine creates the path of a bind."""
    mounts = (Mount("/mnt/disk/shop", "/backups"), Mount("data", "/data"))
    spec = ContainerSpec(image="i", labels={}, mounts=mounts, needs_paths=needs)
    host = body.container(spec, log_driver="")["HostConfig"]
    assert isinstance(host, dict)
    volume = {"Type": "volume", "Source": "data", "Target": "/data", "ReadOnly": False}
    needed = {"Type": "bind", "Source": "/mnt/disk/shop", "Target": "/backups", "ReadOnly": False}
    assert host["Mounts"] == ([volume, needed] if needs else [volume])
    assert host["Binds"] == ([] if needs else ["/mnt/disk/shop:/backups:rw"])
