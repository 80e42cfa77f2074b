"""How a zfs command ends badly."""


class ZfsError(Exception):
    """A message on stderr (without newline) and an exit status."""

    def __init__(self, message: str, rc: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.rc = rc


class UsageError(Exception):
    """A message (may be empty), then the usage text of the subcommand; exit status 2."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message


ABORTED = 134
"""Exit status a shell reports for a program that called abort(3)."""
