"""
One trouble, tried: asked while it lasts, asked again when it is over, and compared with a day without it.

Whatever is refused has to be refused with the right code, in words that name the cause and the remedy, and leaves
nothing half-made. The same request succeeds when the cause is gone, and nobody does anything else.
"""

from __future__ import annotations

import difflib
import pprint
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc

from tests.faults.troubles.scene import KEPT, LOOSE, MIB, PUBLISHED, SPARE, TROUBLED, WATCHED
from tests.faults.world import NotHealedError, masked

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.faults.troubles.scene import Scene
    from tests.harness.client import Cluster

RELEASES = ("14.3", "15.0")
# The release and the grammar of ctld's configuration.
EVERYWHERE = tuple((release, grammar) for release in RELEASES for grammar in ("classic", "ucl"))
ON_BOTH = (("14.3", "classic"), ("15.0", "ucl"))
CLASSIC = tuple(ground for ground in EVERYWHERE if ground[1] == "classic")
UCL = tuple(ground for ground in EVERYWHERE if ground[1] == "ucl")


@dataclass(frozen=True)
class Request:
    """Something a cluster asks for; `touches` is the volume whose traces it could leave."""

    name: str
    touches: str
    send: Callable[[Cluster, Scene], object]


@dataclass(frozen=True)
class Ask:
    """
    A request, and what is to be answered to it while the trouble lasts: `code`, and `words` in the message.

    `ends`: an export may be over, or half over, whatever is answered: it never comes back by itself.
    """

    request: Request
    code: str = "OK"
    words: tuple[str, ...] = ()
    ends: bool = False


@dataclass(frozen=True)
class Trouble:
    """
    Something that can be wrong: it is, from entering to leaving `cause`.

    `spares`: the node that is logged in to another volume of the host stays so. `attached`: which volumes are
    published before. `possible`: whether this machine allows it at all.
    """

    name: str
    cause: Callable[[Scene], AbstractContextManager[None]]
    asks: tuple[Ask, ...]
    grounds: tuple[tuple[str, str], ...] = EVERYWHERE
    spares: bool = True
    attached: tuple[str, ...] = (PUBLISHED, WATCHED)
    possible: Callable[[], bool] = lambda: True

    @property
    def requests(self) -> tuple[Request, ...]:
        """What is asked."""
        return tuple(ask.request for ask in self.asks)


CREATE = Request(
    "create", "new", lambda cluster, _: cluster.create("new", MIB, parameters={"host": TROUBLED}).capacity_bytes
)
CREATE_THICK = Request(
    "create, not thin",
    "new",
    lambda cluster, _: cluster.create("new", 16 * MIB, parameters={"host": TROUBLED, "thin": "false"}).capacity_bytes,
)
PUBLISH = Request(
    "publish", LOOSE, lambda cluster, scene: sorted(cluster.attach(scene.id_of(LOOSE), cluster.node_id()))
)
UNPUBLISH = Request(
    "unpublish", PUBLISHED, lambda cluster, scene: cluster.detach(scene.id_of(PUBLISHED), cluster.node_id())
)
REPUBLISH = Request(
    "publish again", PUBLISHED, lambda cluster, scene: sorted(cluster.attach(scene.id_of(PUBLISHED), cluster.node_id()))
)
EXPAND = Request("expand", SPARE, lambda cluster, scene: cluster.expand(scene.id_of(SPARE), 16 * MIB).capacity_bytes)
EXPAND_PUBLISHED = Request(
    "expand, published",
    PUBLISHED,
    lambda cluster, scene: cluster.expand(scene.id_of(PUBLISHED), 16 * MIB).capacity_bytes,
)
SNAPSHOT = Request("snapshot", KEPT, lambda cluster, scene: cluster.snapshot("s", scene.id_of(KEPT)).size_bytes)
DELETE = Request("delete", SPARE, lambda cluster, scene: cluster.delete(scene.id_of(SPARE)))


@dataclass(frozen=True)
class Answer:
    """What was answered while the trouble lasted."""

    asked: str
    code: str
    message: str


def undisturbed(scene: Scene, trouble: Trouble) -> tuple[str, ...]:
    """What there is on the host after the same requests on a day without trouble."""
    scene.settle(trouble.attached)
    for request in trouble.requests:
        scene.world.until_done(lambda cluster, each=request: each.send(cluster, scene))  # type: ignore[misc]
    shape = scene.shape()
    scene.clear()
    return shape


def tried(scene: Scene, trouble: Trouble, expected: tuple[str, ...]) -> list[Answer]:
    """Try it; return what was answered meanwhile. Raises `NotHealedError` with whatever is not as promised."""
    scene.settle(trouble.attached)
    with trouble.cause(scene):
        answers = _asked(scene, trouble)
        scene.others_work()
        if trouble.spares and WATCHED in trouble.attached and not scene.is_logged_in():
            raise NotHealedError("the session of another volume has ended")
    for request in trouble.requests:
        scene.world.until_done(lambda cluster, each=request: each.send(cluster, scene))  # type: ignore[misc]
    if trouble.spares and WATCHED in trouble.attached and not scene.is_logged_in():
        raise NotHealedError("the session of another volume has ended when all was well again")
    _check_shape(scene, expected)
    scene.clear()
    return answers


def _asked(scene: Scene, trouble: Trouble) -> list[Answer]:
    """Ask for everything at once, as a cluster does."""
    before = {ask.request.touches: scene.trace_of(ask.request.touches) for ask in trouble.asks}
    with ThreadPoolExecutor(len(trouble.asks)) as pool:
        answers = list(pool.map(lambda ask: _answer(scene, ask.request), trouble.asks))
    problems = []
    for ask, answer in zip(trouble.asks, answers, strict=True):
        missing = [word for word in ask.words if word not in answer.message]
        if answer.code != ask.code or missing:
            problems.append(f"{answer.asked}: {answer.code}: {answer.message} (not {ask.code} with {missing})")
        # What was half-made could be anything: so nothing at all may be otherwise.
        name = ask.request.touches
        if ask.code != "OK" and not ask.ends and scene.trace_of(name) != before[name]:
            problems.append(f"{answer.asked} left traces: {_difference(before[name], scene.trace_of(name))}")
    if problems:
        raise NotHealedError("\n".join(problems))
    return answers


def _answer(scene: Scene, request: Request) -> Answer:
    try:
        with scene.world.cluster() as cluster:
            request.send(cluster, scene)
    except grpc.RpcError as error:
        return Answer(request.name, error.code().name, _said(scene, error))
    return Answer(request.name, "OK", "")


def _said(scene: Scene, error: grpc.RpcError) -> str:
    """The message, with the paths that the host believes in, less what is random."""
    return masked((error.details() or "").replace(str(scene.host.root), ""))[1:-1]


def _difference(before: object, after: object) -> str:
    lines = (pprint.pformat(each, width=100).splitlines() for each in (before, after))
    return "\n".join(difflib.unified_diff(*lines, "before", "after", n=0, lineterm=""))


def _check_shape(scene: Scene, expected: tuple[str, ...]) -> None:
    shape = scene.shape()
    if shape != expected:
        raise NotHealedError(f"it is not as without trouble: {_difference(expected, shape)}")
