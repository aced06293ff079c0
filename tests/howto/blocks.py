"""The blocks of a how-to, so that tests run what people read."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOW_TO = ROOT / "docs" / "howto" / "add-a-regulation.md"
CODE, REGION, SERVICE = "atyrau-bicycle-certificate", "atyrau", "bicycle-certificate"
SCENARIO = "bicycle-portal-issued"


def blocks(kind: str) -> str:
    """Every block of a kind (the second word after the fence), joined as they stand."""
    return "".join(re.findall(rf"^```\w+ {kind}\n(.*?)^```$", HOW_TO.read_text(encoding="utf-8"), re.M | re.S))


def contracts_with_it(folder: Path) -> Path:
    """A copy of contracts/ with the how-to's regulation: one file more, and nothing else is different."""
    contracts = folder / "contracts"
    shutil.copytree(ROOT / "contracts", contracts)
    (contracts / "regulations" / REGION / f"{SERVICE}.yaml").write_text(blocks("regulation"), encoding="utf-8")
    return contracts
