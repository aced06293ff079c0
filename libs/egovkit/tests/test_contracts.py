from __future__ import annotations

import os
from pathlib import Path

from egovkit.contracts import read_once


class Reader:
    def __init__(self) -> None:
        self.times = 0

    def read(self, folder: Path) -> str:
        self.times += 1
        return (folder / "deep" / "law.yaml").read_text()


def test_files_are_read_once_until_one_of_them_changes(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    law = tmp_path / "deep" / "law.yaml"
    law.write_text("first")
    reader = Reader()
    read = reader.read
    assert [read_once(read, tmp_path) for _ in range(3)] == ["first"] * 3
    assert reader.times == 1
    law.write_text("second edition")
    assert read_once(read, tmp_path) == "second edition"
    os.utime(law, ns=(1, 1))
    read_once(read, tmp_path)
    assert reader.times == 3


def test_what_another_reader_found_is_not_given_out(tmp_path: Path) -> None:
    (tmp_path / "errors.yaml").write_text("x")
    assert read_once(lambda _: 1, tmp_path) == 1
    assert read_once(lambda _: 2, tmp_path) == 2
