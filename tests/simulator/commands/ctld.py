"""ctld(8): testing a configuration and starting the daemon."""

from __future__ import annotations

from tests.simulator import ctl_messages as msg
from tests.simulator.ctl.part import ctl_part, invocation
from tests.simulator.machine import Machine
from tests.simulator.registry import BadOption, Call, Result, command


@command("ctld")
def ctld(machine: Machine, call: Call) -> Result:
    """`ctld [-t] [-u] [-f FILE]`; without -t the daemon starts."""
    try:
        asked, flags = invocation(call.args, call.cwd)
    except BadOption as error:
        what = "option requires an argument" if error.missing_argument else "illegal option"
        return Result(1, err=f"ctld: {what} -- {error.option}\n{msg.CTLD_USAGE}")
    if "operands" in flags:
        return Result(1, err=msg.CTLD_USAGE)
    if not call.is_root:
        return Result(1, err=f"ctld: {msg.OPEN_DEVICE_FAILED.format('Permission denied')}\n")
    process = ctl_part(machine).ctld
    status, messages = process.test(asked) if "t" in flags else process.start(asked)
    return Result(status, err="".join(f"ctld: {text}\n" for text in messages))
