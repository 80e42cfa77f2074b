"""Keys come with the calls that may need them, and no log shows them."""

from __future__ import annotations

from csi_driver.proto import csi_pb2 as pb
from csi_driver.storage.model import EncryptionKey
from tests.unit.csi.fakes import (
    PUBLISH_CONTEXT,
    TIMEOUT,
    Driver,
    create_request,
    publish_request,
    volume,
)

KEY = "correct horse battery"
SECRETS = {"encryptionKey": KEY, "other": "of no use here"}


def test_three_calls_hand_the_key_on(driver: Driver) -> None:
    """And nothing else of the secrets."""
    driver.volumes.answers.update(create=volume(), publish=PUBLISH_CONTEXT, expand=volume())
    driver.controller.CreateVolume(create_request(secrets=SECRETS), timeout=TIMEOUT)
    driver.controller.ControllerPublishVolume(publish_request(secrets=SECRETS), timeout=TIMEOUT)
    size = pb.CapacityRange(required_bytes=1)
    request = pb.ControllerExpandVolumeRequest(volume_id="v", capacity_range=size, secrets=SECRETS)
    driver.controller.ControllerExpandVolume(request, timeout=TIMEOUT)
    created, published, expanded = driver.volumes.calls
    assert created[1][0].key == published[2]["key"] == expanded[2]["key"] == EncryptionKey(KEY)
    assert KEY not in driver.log_text


def test_without_secrets_there_is_no_key(driver: Driver) -> None:
    """Most volumes have none."""
    driver.volumes.answers.update(create=volume(), publish=PUBLISH_CONTEXT)
    driver.controller.CreateVolume(create_request(), timeout=TIMEOUT)
    driver.controller.ControllerPublishVolume(publish_request(), timeout=TIMEOUT)
    assert driver.volumes.calls[0][1][0].key is None
    assert driver.volumes.calls[1][2]["key"] is None
