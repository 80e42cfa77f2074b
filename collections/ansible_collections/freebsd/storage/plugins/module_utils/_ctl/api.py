# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The command lines of the CAM target layer, one function each."""

from __future__ import annotations


def running() -> list[str]:
    """
    Show the running ctld with its arguments: root's process that holds the lock on ctld's pidfile.

    Anything may call itself ctld, and the pidfile of one that was killed stays.
    """
    return ["pgrep", "-f", "-l", "-L", "-U", "0", "-F", "/var/run/ctld.pid"]


def ctld_flags() -> list[str]:
    """Read the arguments with which rc.d would start ctld."""
    return ["sysrc", "-n", "ctld_flags"]


def limits() -> list[str]:
    """Read how many ports and LUNs the kernel can hold."""
    return ["sysctl", "-n", "kern.cam.ctl.max_ports", "kern.cam.ctl.max_luns"]


def portlist() -> list[str]:
    """List the kernel's ports."""
    return ["ctladm", "portlist", "-x"]


def devlist() -> list[str]:
    """List the kernel's LUNs."""
    return ["ctladm", "devlist", "-x"]


def islist() -> list[str]:
    """List the kernel's iSCSI sessions."""
    return ["ctladm", "islist", "-x"]


def test(config: str, *, ucl: bool) -> list[str]:
    """Have ctld read a configuration without acting on it."""
    return ["ctld", "-t", *(["-u"] if ucl else []), "-f", config]


def reload() -> list[str]:
    """Have the running ctld read its configuration again. Says nothing about the outcome."""
    return ["service", "ctld", "reload"]
