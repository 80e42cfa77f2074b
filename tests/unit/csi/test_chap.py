"""CHAP secrets come with publication and staging, and no log shows them."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from csi_driver.storage.model import Chap
from tests.unit.csi.fakes import PUBLISH_CONTEXT, TIMEOUT, Driver, publish_request, stage_request

USER, PASSWORD = "node.session.auth.username", "node.session.auth.password"
SECRETS = {USER: "node", PASSWORD: "first/secret+1=", "encryptionKey": "correct horse"}
CONTEXT = {**PUBLISH_CONTEXT, "chap": "one-way"}


def test_publication_and_staging_hand_them_on(driver: Driver) -> None:
    """As one value, which shows nothing."""
    driver.volumes.answers.update(publish=CONTEXT)
    driver.on_node.answers.update(stage=None)
    driver.controller.ControllerPublishVolume(publish_request(secrets=SECRETS), timeout=TIMEOUT)
    driver.node.NodeStageVolume(stage_request(publish_context=CONTEXT, secrets=SECRETS), timeout=TIMEOUT)
    expected = Chap("node", "first/secret+1=")
    assert driver.volumes.calls[0][2]["chap"] == expected
    assert driver.on_node.calls[0][1][0].chap == expected
    assert "first/secret" not in driver.log_text


def test_a_node_minds_them_only_where_the_publication_asks(driver: Driver) -> None:
    """A Secret may serve several classes, even one that has none of them whole."""
    driver.on_node.answers.update(stage=None)
    driver.node.NodeStageVolume(stage_request(secrets={USER: "node"}), timeout=TIMEOUT)
    assert driver.on_node.calls[0][1][0].chap is None


@pytest.mark.parametrize(
    ("context", "secrets", "named"),
    [
        (CONTEXT, {}, PASSWORD),
        (CONTEXT, {USER: "node"}, PASSWORD),
        ({**CONTEXT, "chap": "mutual"}, SECRETS, f"{PASSWORD}_in"),
        ({**CONTEXT, "chap": "yes"}, SECRETS, "publish_context.chap"),
    ],
)
def test_a_node_refuses_what_would_not_get_in(
    driver: Driver, context: dict[str, str], secrets: dict[str, str], named: str
) -> None:
    """Before anything is done."""
    with pytest.raises(grpc.RpcError) as caught:
        driver.node.NodeStageVolume(stage_request(publish_context=context, secrets=secrets), timeout=TIMEOUT)
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert named in error.details()
    assert driver.on_node.calls == []
