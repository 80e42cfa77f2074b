"""The rights given in the cluster are those the sidecars need, and no more."""

from __future__ import annotations

import pytest

from tests.deploy.manifests import Manifest, named, of_kind

READ = frozenset({"get", "list", "watch"})
EVENTS = frozenset({"list", "watch", "create", "update", "patch"})

# As the sidecars' own documentation has it, less capacity, which is not used. Secrets are read in
# one namespace only.
PROVISIONER = {
    "persistentvolumes": READ | {"create", "patch", "delete"},
    "persistentvolumeclaims": READ | {"update"},
    "storage.k8s.io/storageclasses": READ,
    "storage.k8s.io/volumeattributesclasses": READ,
    "storage.k8s.io/csinodes": READ,
    "storage.k8s.io/volumeattachments": READ,
    "nodes": READ,
    "events": EVENTS,
}
ATTACHER = {
    "persistentvolumes": READ | {"patch"},
    "storage.k8s.io/csinodes": READ,
    "storage.k8s.io/volumeattachments": READ | {"patch"},
    "storage.k8s.io/volumeattachments/status": frozenset({"patch"}),
}
RESIZER = {
    "persistentvolumes": READ | {"patch"},
    "persistentvolumeclaims": READ,
    "persistentvolumeclaims/status": frozenset({"patch"}),
    "pods": READ,
    "storage.k8s.io/volumeattributesclasses": READ,
    "events": EVENTS,
}
SNAPSHOTS = "snapshot.storage.k8s.io"
GROUPS = "groupsnapshot.storage.k8s.io"
SNAPSHOTTER = {
    f"{SNAPSHOTS}/volumesnapshotclasses": READ,
    f"{SNAPSHOTS}/volumesnapshotcontents": READ | {"update", "patch"},
    f"{SNAPSHOTS}/volumesnapshotcontents/status": frozenset({"update", "patch"}),
    "events": EVENTS,
}
PROVISIONER_SNAPSHOTS = {
    f"{SNAPSHOTS}/volumesnapshots": READ | {"update"},
    f"{SNAPSHOTS}/volumesnapshotcontents": frozenset({"get", "list"}),
}
GROUP_SNAPSHOTTER = {
    f"{GROUPS}/volumegroupsnapshotclasses": READ,
    f"{GROUPS}/volumegroupsnapshotcontents": READ | {"update", "patch"},
    f"{GROUPS}/volumegroupsnapshotcontents/status": frozenset({"update", "patch"}),
}
CLUSTER = {
    "csi-freebsd-provisioner": PROVISIONER,
    "csi-freebsd-attacher": ATTACHER,
    "csi-freebsd-resizer": RESIZER,
    "csi-freebsd-snapshotter": SNAPSHOTTER,
    "csi-freebsd-provisioner-snapshots": PROVISIONER_SNAPSHOTS,
    "csi-freebsd-group-snapshotter": GROUP_SNAPSHOTTER,
}
LEADER_ELECTION = {"coordination.k8s.io/leases": READ | {"delete", "update", "create"}}


def _rights(role: Manifest) -> dict[str, frozenset[str]]:
    """Verbs by resource; a resource named twice is a mistake."""
    found: dict[str, frozenset[str]] = {}
    for rule in role["rules"]:
        (group,) = rule["apiGroups"]
        for resource in rule["resources"]:
            name = f"{group}/{resource}" if group else resource
            assert name not in found
            found[name] = frozenset(rule["verbs"])
    return found


@pytest.mark.parametrize("name", CLUSTER)
def test_every_sidecar_has_exactly_its_rights(name: str) -> None:
    """What its own documentation asks for, resource by resource."""
    assert _rights(named("ClusterRole", name)) == CLUSTER[name]


def test_secrets_are_read_one_by_one_and_in_the_namespace() -> None:
    """No sidecar can list the secrets of the cluster."""
    assert _rights(named("Role", "csi-freebsd-secrets")) == {"secrets": frozenset({"get"})}


def test_leader_election_stays_in_the_namespace() -> None:
    """Leases are no business of the cluster's."""
    assert _rights(named("Role", "csi-freebsd-leader-election")) == LEADER_ELECTION


def test_there_are_no_other_rights() -> None:
    """Nothing is granted beside these, and nothing with a wildcard."""
    assert {item["metadata"]["name"] for item in of_kind("ClusterRole")} == set(CLUSTER)
    assert {item["metadata"]["name"] for item in of_kind("Role")} == {
        "csi-freebsd-leader-election",
        "csi-freebsd-secrets",
    }


def test_the_node_has_no_rights_at_all() -> None:
    """A node that is taken over gains nothing in the cluster."""
    account = named("ServiceAccount", "csi-freebsd-node")
    assert account["automountServiceAccountToken"] is False
    bound = {
        subject["name"]
        for binding in (*of_kind("ClusterRoleBinding"), *of_kind("RoleBinding"))
        for subject in binding["subjects"]
    }
    assert bound == {"csi-freebsd-controller"}
