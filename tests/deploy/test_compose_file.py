"""The compose files have compose's form, and our reader reads them the way compose does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from .compose_file import BASE, ROOT, TLS, image, project, seconds


def check(*files: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    return subprocess.run([*command, *files], capture_output=True, text=True, check=False)


def test_the_files_follow_the_compose_specification() -> None:
    done = check(BASE, TLS)
    assert done.returncode == 0, done.stdout


def test_a_misspelt_key_would_be_noticed(tmp_path: Path) -> None:
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(BASE.read_text().replace("depends_on:", "depend_on:", 1))
    assert check(wrong).returncode != 0


@pytest.mark.parametrize("files", [(BASE,), (BASE, TLS)], ids=["plain", "tls"])
def test_what_a_service_refers_to_is_declared(files: tuple[Path, ...]) -> None:
    file = project(*files)
    for name, one in file["services"].items():
        assert set(one.get("secrets", [])) <= set(file["secrets"]), name
        assert set(one.get("networks", [])) <= set(file["networks"]), name
        assert {config["source"] for config in one.get("configs", [])} <= set(file["configs"]), name
        volumes = {volume.split(":")[0] for volume in one.get("volumes", [])}
        assert {volume for volume in volumes if not volume.startswith(".")} <= set(file["volumes"]), name
        for other, how in one.get("depends_on", {}).items():
            awaited = file["services"][other]
            ends = awaited["restart"] == "no"
            assert how["condition"] == ("service_completed_successfully" if ends else "service_healthy"), (name, other)
            assert ends or "healthcheck" in awaited or "build" in awaited
        if "build" in one:
            assert (ROOT / one["build"]["dockerfile"]).is_file()


def test_an_override_is_laid_over_what_it_names(tmp_path: Path) -> None:
    below, above = tmp_path / "a.yml", tmp_path / "b.yml"
    service = {"command": ["a"], "environment": {"A": "1", "B": "1"}, "secrets": ["x"]}
    below.write_text(yaml.safe_dump({"x-part": {}, "services": {"one": service, "two": {"image": "i"}}}))
    change = {"command": ["b", "c"], "environment": {"B": "2"}, "secrets": ["x", "y"]}
    above.write_text(yaml.safe_dump({"services": {"one": change}}))
    merged = {"command": ["b", "c"], "environment": {"A": "1", "B": "2"}, "secrets": ["x", "y"]}
    assert project(below, above) == {"services": {"one": merged, "two": {"image": "i"}}}


def test_durations_are_read() -> None:
    assert [seconds(text) for text in ("10s", "1m30s", "1h", "0.5s")] == [10, 90, 3600, 0.5]


def test_a_dockerfile_is_read_from_its_last_stage(tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text(
        "FROM a AS build\nENV NO=1\nRUN anything\nFROM b\nRUN useradd --uid 7 egov\nCOPY --from=build /app /app\n"
        "COPY contracts /contracts\nENV A=1 \\\n    B=2\nUSER egov\n# a word\nVOLUME /v\nEXPOSE 80\n"
        'HEALTHCHECK --interval=10s --start-period=15s \\\n    CMD ["ask", "it"]\nCMD ["run", "me"]\n'
    )
    read = image(file)
    assert (read.environment, read.command, read.user) == ({"A": "1", "B": "2"}, ["run", "me"], "egov")
    assert (read.exposed, read.volumes, read.copied) == ([80], ["/v"], {"/contracts": "contracts"})
    assert read.healthcheck == {"interval": "10s", "start_period": "15s", "test": ["CMD", "ask", "it"]}


def test_an_instruction_that_is_not_known_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text('FROM b\nENTRYPOINT ["x"]\n')
    with pytest.raises(ValueError, match="ENTRYPOINT"):
        image(file)


def test_every_step_that_ends_is_waited_for() -> None:
    """`docker compose up --wait` takes the end of a container for a failure unless another service waits for it."""
    services = project(BASE)["services"]
    ending = {name for name, one in services.items() if one["restart"] == "no" and "profiles" not in one}
    assert ending and ending <= {other for one in services.values() for other in one.get("depends_on", {})}
