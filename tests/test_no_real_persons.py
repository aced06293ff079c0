"""The acts name people: who signed, who controls. None of them comes into the repository (E6)."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
UPPER, LOWER = "А-ЯЁӘҒҚҢӨҰҮҺІ", "а-яёәғқңөұүһі"
INITIALS = rf"[{UPPER}]\.\s?(?:[{UPPER}]\.?\s?)?"
SURNAME = rf"[{UPPER}][{LOWER}]{{3,}}"
# A surname with initials before or after it, as the acts write them. An office or a street is no match.
PERSON = re.compile(rf"(?<![{UPPER}{LOWER}.]){INITIALS}{SURNAME}|{SURNAME}\s{INITIALS}(?![{UPPER}{LOWER}])")
SUFFIXES = {".py", ".yaml", ".yml", ".json", ".md", ".toml", ".txt"}


def committed() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    found = [ROOT / name for name in listed.split("\0") if name]
    return [path for path in found if path.suffix in SUFFIXES and path.is_file() and path.name != Path(__file__).name]


@pytest.mark.parametrize(
    "text", ["Аким области Б. Үлгілі", "на Сынақова А.А. – заместителя", "заместителя Е.К Сынақова", "А.Үлгілібаев"]
)
def test_the_way_acts_write_names_is_found(text: str) -> None:
    assert PERSON.search(text)


@pytest.mark.parametrize(
    "text", ["п. 6 8) Условие", "см. А. 40", "Приложение 1, таблица 1, 5", "СЫНАҚ АЙГҮЛ", "г. Атырау"]
)
def test_what_is_no_persons_name_is_not(text: str) -> None:
    assert PERSON.search(text) is None


def test_no_file_names_a_person() -> None:
    if not (files := committed()):
        pytest.skip("no git here: nothing tells what is committed")
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in files
        for match in PERSON.finditer(path.read_text(encoding="utf-8", errors="ignore"))
    ]
    assert found == []
