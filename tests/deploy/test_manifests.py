"""The Kubernetes manifests are valid, whole and fit together; checked without a cluster."""

from __future__ import annotations

import re
from typing import Any

import kubernetes_validate
import pytest
import yaml

from csi_driver import config
from csi_driver.csi.identity import DRIVER_NAME
from csi_driver.storage import parameters
from tests.deploy.manifests import (
    BASE,
    COMPONENTS,
    EXAMPLE,
    KUSTOMIZE,
    REPOSITORY,
    Manifest,
    containers,
    everything,
    kustomization,
    named,
    of_kind,
    pod,
    workloads,
)

NAMESPACE = "csi-freebsd"
KUBERNETES = ("1.33", "1.34", "1.35", "1.36", "1.37")
CUSTOM = {"VolumeSnapshotClass", "VolumeGroupSnapshotClass"}  # the cluster brings their schemas
CLUSTER_WIDE = {"Namespace", "ClusterRole", "ClusterRoleBinding", "CSIDriver", "StorageClass", *CUSTOM}
SIDECARS = {"csi-provisioner", "csi-attacher", "csi-resizer", "csi-snapshotter"}
KUBELET = "/var/lib/kubelet"
# What a cluster brings itself; deploy/kustomize/example makes both.
BROUGHT = {"csi-freebsd-config", "csi-freebsd-ssh"}


def _name(manifest: Manifest) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def _patch(component: str) -> Any:
    return yaml.safe_load((KUSTOMIZE / "components" / component / "snapshotter.yaml").read_text())


def _snapshotter() -> Manifest:
    """The sidecar that the component of snapshots adds."""
    (operation,) = _patch("snapshots")
    assert operation["path"] == "/spec/template/spec/containers/-"
    sidecar: Manifest = operation["value"]
    return sidecar


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("manifest", [item for item in everything() if item["kind"] not in CUSTOM], ids=_name)
def test_every_object_fits_the_schema_of_kubernetes(manifest: Manifest, version: str) -> None:
    """Unknown and misspelt fields are refused."""
    kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("folder", [BASE, EXAMPLE, *COMPONENTS], ids=lambda folder: folder.name)
def test_every_manifest_is_listed_and_every_listed_one_is_there(folder: Any) -> None:
    """No file is forgotten by the kustomization."""
    document = kustomization(folder)
    listed = {*document["resources"], *(patch["path"] for patch in document.get("patches", ()))}
    assert all((folder / name).exists() for name in listed)
    there = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
    assert there <= listed


def test_names_are_unique() -> None:
    """No object overwrites another."""
    names = [_name(manifest) for manifest in everything()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("manifest", everything(), ids=_name)
def test_everything_namespaced_is_in_our_namespace(manifest: Manifest) -> None:
    """Each object says so itself: kustomize would set a namespace on cluster-wide objects it does not know."""
    expected = None if manifest["kind"] in CLUSTER_WIDE else NAMESPACE
    assert manifest["metadata"].get("namespace") == expected


def test_the_namespace_is_the_kustomizations() -> None:
    """The one that is made is the one that is used."""
    assert [item["metadata"]["name"] for item in of_kind("Namespace")] == [NAMESPACE]
    example = kustomization(EXAMPLE)
    generators = [item for key in ("configMapGenerator", "secretGenerator") for item in example[key]]
    assert {item["namespace"] for item in generators} == {NAMESPACE}
    assert not any("namespace" in kustomization(folder) for folder in (BASE, EXAMPLE, *COMPONENTS))


@pytest.mark.parametrize("workload", workloads(), ids=_name)
def test_the_service_account_of_every_pod_exists(workload: Manifest) -> None:
    """And the pod's labels are those the workload selects."""
    assert named("ServiceAccount", pod(workload)["serviceAccountName"])
    labels = workload["spec"]["template"]["metadata"]["labels"]
    assert workload["spec"]["selector"]["matchLabels"].items() <= labels.items()


@pytest.mark.parametrize("workload", workloads(), ids=_name)
def test_every_mount_has_its_volume_and_every_volume_a_mount(workload: Manifest) -> None:
    """Nothing is mounted from nowhere, nothing is declared for nothing."""
    spec = pod(workload)
    volumes = {volume["name"] for volume in spec["volumes"]}
    mounted = {mount["name"] for container in spec["containers"] for mount in container["volumeMounts"]}
    assert mounted == volumes


@pytest.mark.parametrize("workload", workloads(), ids=_name)
def test_every_object_a_volume_needs_is_brought_by_the_example(workload: Manifest) -> None:
    """The configuration and the key are the only things a cluster has to add."""
    example = kustomization(EXAMPLE)
    made = {item["name"] for key in ("configMapGenerator", "secretGenerator") for item in example[key]}
    assert made == BROUGHT
    for volume in pod(workload)["volumes"]:
        wanted = volume.get("configMap", {}).get("name") or volume.get("secret", {}).get("secretName")
        assert wanted is None or wanted in BROUGHT


@pytest.mark.parametrize("binding", [*of_kind("ClusterRoleBinding"), *of_kind("RoleBinding")], ids=_name)
def test_every_binding_joins_a_role_and_an_account_that_exist(binding: Manifest) -> None:
    """No right is given to nobody."""
    assert named(binding["roleRef"]["kind"], binding["roleRef"]["name"])
    for subject in binding["subjects"]:
        assert subject["namespace"] == NAMESPACE
        assert named(subject["kind"], subject["name"])


def test_every_image_is_pinned() -> None:
    """A tag that moves would change the driver without anybody deciding it."""
    for container in (*(item for _, item in containers()), _snapshotter()):
        assert re.fullmatch(r"\S+:v?\d+\.\d+\.\d+", container["image"]), container["image"]


def test_our_images_carry_the_version_of_the_package() -> None:
    """The manifests deploy what the tree builds."""
    version = re.search(r'^version = "(.+)"$', (REPOSITORY / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    ours = {container["image"] for _, container in containers() if "freebsd" in container["image"]}
    assert ours == {f"csi-driver-freebsd/{role}:{version[1]}" for role in ("controller", "node")}
    renamed = {image["name"]: image["newTag"] for image in kustomization(EXAMPLE)["images"]}
    assert renamed == {f"csi-driver-freebsd/{role}": version[1] for role in ("controller", "node")}


def test_every_container_of_a_pod_uses_the_one_socket() -> None:
    """The path in the driver's environment, the sidecars' options and the mounts is the same."""
    for _, container in containers():
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounts["socket"] == "/csi"
        if container["name"] == "csi-driver":
            environment = {entry["name"]: entry.get("value") for entry in container["env"]}
            assert environment["CSI_ENDPOINT"] == "unix:///csi/csi.sock"
        else:
            assert "--csi-address=/csi/csi.sock" in container["args"]


def test_the_driver_has_one_name_everywhere() -> None:
    """In the CSIDriver, the StorageClass and the paths the kubelet knows."""
    assert of_kind("CSIDriver")[0]["metadata"]["name"] == DRIVER_NAME
    assert {item["provisioner"] for item in of_kind("StorageClass")} == {DRIVER_NAME}
    assert {item["driver"] for kind in CUSTOM for item in of_kind(kind)} == {DRIVER_NAME}
    spec = pod(named("DaemonSet", "csi-freebsd-node"))
    plugin = f"{KUBELET}/plugins/{DRIVER_NAME}"
    (socket,) = (volume for volume in spec["volumes"] if volume["name"] == "socket")
    assert socket["hostPath"]["path"] == plugin
    (registrar,) = (item for item in spec["containers"] if item["name"] == "node-driver-registrar")
    assert f"--kubelet-registration-path={plugin}/csi.sock" in registrar["args"]


def test_the_sidecars_wait_for_a_run() -> None:
    """Their own ten seconds would give up before a storage host answers."""
    spec = pod(named("Deployment", "csi-freebsd-controller"))
    sidecars = [item for item in (*spec["containers"], _snapshotter()) if item["name"] in SIDECARS]
    assert {item["name"] for item in sidecars} == SIDECARS
    for container in sidecars:
        assert "--timeout=120s" in container["args"]
        assert "--leader-election" in container["args"]
    assert spec["terminationGracePeriodSeconds"] > 120


def test_the_component_of_snapshots_adds_a_sidecar_like_the_others() -> None:
    """As confined, on the same socket; and the component of groups changes its arguments alone."""
    sidecar = _snapshotter()
    (provisioner,) = (
        item
        for item in pod(named("Deployment", "csi-freebsd-controller"))["containers"]
        if item["name"] == "csi-provisioner"
    )
    for key in ("env", "securityContext", "volumeMounts"):
        assert sidecar[key] == provisioner[key]
    (container,) = pod(_patch("group-snapshots"))["containers"]
    assert container.keys() == {"name", "args"}
    assert container["name"] == sidecar["name"]
    assert container["args"] == [*sidecar["args"], "--feature-gates=CSIVolumeGroupSnapshot=true"]


def test_the_controller_is_confined() -> None:
    """No root, no capability, nothing writable but its volumes, no way to gain more."""
    spec = pod(named("Deployment", "csi-freebsd-controller"))
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert not any("hostPath" in volume for volume in spec["volumes"])
    for container in spec["containers"]:
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}


def test_only_the_driver_of_the_node_is_privileged() -> None:
    """It mounts for the kubelet; the sidecars beside it do not."""
    privileged = {
        (workload["kind"], container["name"])
        for workload, container in containers()
        if container["securityContext"].get("privileged")
    }
    assert privileged == {("DaemonSet", "csi-driver")}


def test_mounts_of_the_node_reach_the_kubelet() -> None:
    """A mount made in the container is the kubelet's too, under the same path."""
    spec = pod(named("DaemonSet", "csi-freebsd-node"))
    assert spec["hostNetwork"] is True
    (driver,) = (item for item in spec["containers"] if item["name"] == "csi-driver")
    mounts = {mount["name"]: mount for mount in driver["volumeMounts"]}
    assert mounts["kubelet"] == {
        "name": "kubelet",
        "mountPath": KUBELET,
        "mountPropagation": "Bidirectional",
    }
    paths = {volume["name"]: volume["hostPath"]["path"] for volume in spec["volumes"] if "hostPath" in volume}
    assert paths["kubelet"] == KUBELET
    assert {"/dev", "/sys", "/"} <= set(paths.values())


def test_the_wrapper_of_iscsiadm_finds_the_machine() -> None:
    """The folder it changes to is the one the machine is mounted on."""
    spec = pod(named("DaemonSet", "csi-freebsd-node"))
    (driver,) = (item for item in spec["containers"] if item["name"] == "csi-driver")
    environment = {entry["name"]: entry.get("value") for entry in driver["env"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in driver["volumeMounts"]}
    assert environment["HOST_ROOT"] == mounts["host"]
    wrapper = REPOSITORY / "deploy" / "node" / "iscsiadm"
    assert wrapper.stat().st_mode & 0o111
    assert 'chroot "${HOST_ROOT:-/host}"' in wrapper.read_text()


def test_the_example_configuration_is_one_the_driver_takes() -> None:
    """And its key lies where the controller's pod mounts it."""
    example = config.load(EXAMPLE / "config.yml")
    spec = pod(named("Deployment", "csi-freebsd-controller"))
    mounts = {mount["name"]: mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]}
    (files,) = (item["files"] for item in kustomization(EXAMPLE)["secretGenerator"])
    for host in example.hosts.values():
        assert host.ansible_ssh_private_key_file in {f"{mounts['ssh']}/{name}" for name in files}


@pytest.mark.parametrize("storage_class", of_kind("StorageClass"), ids=_name)
def test_the_parameters_of_every_class_are_ones_the_driver_takes(storage_class: Manifest) -> None:
    """A misspelt parameter would only be found when somebody asks for a volume."""
    assert parameters.parse(storage_class["parameters"], {})
