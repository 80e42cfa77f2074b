"""The FreeBSD releases that can be simulated and what differs by release rather than by command."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Release:
    """``zfs`` is the OpenZFS version as a tuple, so that handlers compare instead of naming releases."""

    name: str
    zfs: tuple[int, int, int]
    osreldate: int
    zfs_version: str

    @property
    def major(self) -> int:
        return int(self.name.split(".")[0])

    @property
    def uname_release(self) -> str:
        return f"{self.name}-RELEASE"


RELEASES = {
    release.name: release
    for release in (
        Release("14.3", (2, 2, 7), 1403000, "2.2.7-FreeBSD_ge269af1b3"),
        Release("15.0", (2, 4, 0), 1500068, "2.4.0-rc4-FreeBSD_g099f69ff5"),
    )
}
