"""Shared fixtures: the real catalogue, and a copy of it that a test may spoil."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from egovlaw.catalogue import Catalogue, Channel, Regulation
from egovlaw.loader import load_catalogue


def _contracts() -> Path:
    return next(p / "contracts" for p in Path(__file__).parents if (p / "contracts" / "errors.yaml").exists())


@pytest.fixture(scope="session")
def contracts() -> Path:
    return _contracts()


@pytest.fixture(scope="session")
def catalogue(contracts: Path) -> Catalogue:
    return load_catalogue(contracts / "regulations")


@pytest.fixture(scope="session")
def housing(catalogue: Catalogue) -> Regulation:
    regulation = catalogue.regulation("atyrau-housing-queue")
    assert regulation is not None
    return regulation


@pytest.fixture(scope="session")
def portal(housing: Regulation) -> Channel:
    return housing.channels["portal"]


@pytest.fixture(scope="session")
def provider(housing: Regulation) -> Channel:
    return housing.channels["provider"]


@pytest.fixture(scope="session")
def centre(housing: Regulation) -> Channel:
    return housing.channels["centre"]


@pytest.fixture
def copy(contracts: Path, tmp_path: Path) -> Path:
    """A private copy of the catalogue and its schemas."""
    return copied(contracts, tmp_path, "*/*.yaml")


@pytest.fixture
def alone(contracts: Path, tmp_path: Path) -> Path:
    """A private catalogue of one regulation: to spoil it, nobody has to read the other twenty."""
    return copied(contracts, tmp_path, "atyrau/housing-queue.yaml")


def copied(contracts: Path, folder: Path, regulations: str) -> Path:
    shutil.copytree(contracts / "schemas", folder / "schemas")
    shutil.copy(contracts / "regions.yaml", folder / "regions.yaml")
    root = contracts / "regulations"
    for path in (*root.glob("*.yaml"), *root.glob(regulations)):
        target = folder / path.relative_to(contracts)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return folder / "regulations"
