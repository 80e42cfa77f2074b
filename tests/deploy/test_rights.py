"""The rights given in the cluster are those the sidecars need, and no more."""

from __future__ import annotations

from tests.deploy.manifests import Manifest, manifests, named, of_kind

READ = frozenset({"get", "list", "watch"})
EVENTS = frozenset({"list", "watch", "create", "update", "patch"})

# As the sidecars' own documentation has it, less snapshots, secrets and capacity, which are not used.
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


def test_the_provisioner_has_exactly_its_rights() -> None:
    """Volumes, claims, classes, and reading where volumes are attached."""
    assert _rights(named("ClusterRole", "csi-freebsd-provisioner")) == PROVISIONER


def test_the_attacher_has_exactly_its_rights() -> None:
    """Attachments and their status, and the volumes' finalizers."""
    assert _rights(named("ClusterRole", "csi-freebsd-attacher")) == ATTACHER


def test_leader_election_stays_in_the_namespace() -> None:
    """Leases are no business of the cluster's."""
    assert _rights(named("Role", "csi-freebsd-leader-election")) == LEADER_ELECTION


def test_there_are_no_other_rights() -> None:
    """Nothing is granted beside these, and nothing with a wildcard."""
    roles = {item["metadata"]["name"] for item in manifests() if item["kind"] in ("Role", "ClusterRole")}
    assert roles == {"csi-freebsd-provisioner", "csi-freebsd-attacher", "csi-freebsd-leader-election"}


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
