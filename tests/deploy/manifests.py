"""Read the kustomization as kustomize would resolve its resources, without kustomize."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[2]
KUSTOMIZE = REPOSITORY / "deploy" / "kustomize"
BASE = KUSTOMIZE / "base"
EXAMPLE = KUSTOMIZE / "example"
COMPONENTS = tuple(KUSTOMIZE / "components" / name for name in ("snapshots", "group-snapshots"))

Manifest = dict[str, Any]


def kustomization(folder: Path) -> Manifest:
    """The kustomization of a folder."""
    document: Manifest = yaml.safe_load((folder / "kustomization.yaml").read_text())
    return document


def manifests(folder: Path = BASE) -> list[Manifest]:
    """Every object of the resources that the folder's kustomization lists."""
    found: list[Manifest] = []
    for name in kustomization(folder)["resources"]:
        path = folder / name
        if path.is_dir():
            found.extend(manifests(path))
        else:
            found.extend(yaml.safe_load_all(path.read_text()))
    return found


def everything() -> list[Manifest]:
    """Every object of the base and of the components, before the components' patches."""
    return [manifest for folder in (BASE, *COMPONENTS) for manifest in manifests(folder)]


def of_kind(kind: str) -> list[Manifest]:
    """The objects of one kind."""
    return [manifest for manifest in everything() if manifest["kind"] == kind]


def named(kind: str, name: str) -> Manifest:
    """The one object of that kind and name."""
    (found,) = (manifest for manifest in of_kind(kind) if manifest["metadata"]["name"] == name)
    return found


def workloads() -> list[Manifest]:
    """The objects that run pods."""
    return [manifest for manifest in manifests() if "template" in manifest.get("spec", {})]


def pod(workload: Manifest) -> Manifest:
    """The pod that a workload runs."""
    spec: Manifest = workload["spec"]["template"]["spec"]
    return spec


def containers() -> Iterator[tuple[Manifest, Manifest]]:
    """Every container with the workload it is in."""
    for workload in workloads():
        for container in pod(workload)["containers"]:
            yield workload, container
