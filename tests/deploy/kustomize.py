"""What `kubectl kustomize` makes of a folder, as far as k8s/ asks for it; anything else there is an error.

Where kubectl is installed tests/deploy/test_kubernetes.py holds the two against one another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]
KNOWN = {"apiVersion", "kind", "namespace", "resources", "images", "replicas", "patches"}


def render(folder: Path) -> list[Object]:
    """The objects of an overlay or base, in the order of its files."""
    wanted = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert set(wanted) <= KNOWN, set(wanted) - KNOWN
    objects = [one for name in wanted.get("resources", []) for one in _resource(folder / name)]
    for one in objects if "namespace" in wanted else []:
        if one["kind"] != "Namespace":
            one["metadata"]["namespace"] = wanted["namespace"]
    for image in wanted.get("images", []):
        _retag(objects, image)
    for replicas in wanted.get("replicas", []):
        _find(objects, name=replicas["name"], kind="StatefulSet")["spec"]["replicas"] = replicas["count"]
    for patch in wanted.get("patches", []):
        _patch(_find(objects, **patch["target"]), yaml.safe_load(patch["patch"]))
    return objects


def _resource(path: Path) -> Iterator[Object]:
    if path.is_dir():
        yield from render(path)
    else:
        yield from (one for one in yaml.safe_load_all(path.read_text()) if one is not None)


def _find(objects: list[Object], *, kind: str, name: str) -> Object:
    [found] = [one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def containers(one: Object) -> list[Object]:
    """The containers of an object that has a pod, those that run first too."""
    pod = one.get("spec", {}).get("template", {}).get("spec", {})
    return [*pod.get("initContainers", []), *pod.get("containers", [])]


def _retag(objects: list[Object], image: Mapping[str, str]) -> None:
    matched = [c for one in objects for c in containers(one) if c["image"].partition(":")[0] == image["name"]]
    assert matched, f"no container has the image {image['name']}"
    for container in matched:
        container["image"] = f"{image.get('newName', image['name'])}:{image['newTag']}"


def _patch(one: Object, operations: list[Object]) -> None:
    """RFC 6902, `replace` alone: what is there gets another value."""
    for operation in operations:
        assert operation["op"] == "replace", operation
        *way, last = operation["path"].lstrip("/").split("/")
        place = one
        for part in way:
            place = place[part]
        assert last in place, operation
        place[last] = deepcopy(operation["value"])
