"""The workspace's own lists name the same distributions: pyproject, Makefile, import rules, folders."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


def load(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


WORKSPACE = load(ROOT / "pyproject.toml")
MEMBERS: list[str] = WORKSPACE["tool"]["uv"]["workspace"]["members"]


def package(member: str) -> str:
    return Path(member).name.replace("-", "_")


def test_every_folder_with_a_pyproject_is_a_member() -> None:
    patterns = ("*/pyproject.toml", "libs/*/pyproject.toml", "services/*/pyproject.toml")
    found = {path.parent.relative_to(ROOT).as_posix() for pattern in patterns for path in ROOT.glob(pattern)}
    assert found == set(MEMBERS)


@pytest.mark.parametrize("member", MEMBERS)
def test_folder_distribution_and_package_have_one_name(member: str) -> None:
    project = load(ROOT / member / "pyproject.toml")
    assert project["project"]["name"] == Path(member).name
    assert (ROOT / member / "src" / package(member) / "__init__.py").is_file()
    assert (ROOT / member / "src" / package(member) / "py.typed").is_file()
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == [f"src/{package(member)}"]


def test_makefile_types_and_import_rules_list_every_member() -> None:
    makefile = (ROOT / "Makefile").read_text()
    found = re.search(r"^PACKAGES := (.*?)^SOURCES", makefile, re.MULTILINE | re.DOTALL)
    assert found is not None
    assert found.group(1).replace("\\", " ").split() == MEMBERS
    assert set(WORKSPACE["tool"]["mypy"]["mypy_path"]) == {f"{member}/src" for member in MEMBERS}
    assert set(WORKSPACE["tool"]["importlinter"]["root_packages"]) == {package(member) for member in MEMBERS}


def test_dependencies_between_members_come_from_the_workspace() -> None:
    names = {Path(member).name for member in MEMBERS}
    for member in MEMBERS:
        project = load(ROOT / member / "pyproject.toml")
        needed = {re.split(r"[\[<>=; ]", line)[0] for line in project["project"]["dependencies"]} & names
        assert needed == set(project.get("tool", {}).get("uv", {}).get("sources", {})), member


def test_the_lock_holds_hashes_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "--hash=sha256:" in lock
    assert "://" not in lock
    assert not re.search(r"^\s*(-e|-f|--index-url|--extra-index-url|--find-links)\b", lock, re.MULTILINE)


def test_make_help_prints_every_public_target() -> None:
    printed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("demo", "run", "test", "check", "bench", "lock", "test-full"):
        assert re.search(rf"^  make {target} +\S", printed, re.MULTILINE), target
