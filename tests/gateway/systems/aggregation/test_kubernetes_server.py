"""The API server of the tests is one to the official client (PyPI kubernetes)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client, watch

from tests.support.kubernetes_objects import devices, node, pod, resource_slice
from tests.support.kubernetes_server import GIT_VERSION, TOKEN, KubernetesServer, running_kubernetes


@pytest.fixture
def cluster() -> Iterator[KubernetesServer]:
    with running_kubernetes() as running:
        yield running


def api(cluster: KubernetesServer, kind: Any = client.CoreV1Api, token: str = TOKEN) -> Any:
    configuration = client.Configuration(host=cluster.url)
    configuration.api_key = {"authorization": f"Bearer {token}"}
    configuration.retries = False
    return kind(client.ApiClient(configuration))


def test_lists_come_in_pages_of_one_moment(cluster: KubernetesServer) -> None:
    for x in range(5):
        cluster.put("nodes", node(f"n{x}"))
    core = api(cluster)
    first = core.list_node(limit=2)
    assert [x.metadata.name for x in first.items] == ["n0", "n1"]
    assert first.metadata.remaining_item_count == 3
    cluster.delete("nodes", "n3")
    cluster.put("nodes", node("n9"))
    second = core.list_node(limit=2, _continue=first.metadata._continue)
    assert [x.metadata.name for x in second.items] == ["n2", "n3"]
    assert second.metadata.resource_version == first.metadata.resource_version
    last = core.list_node(limit=2, _continue=second.metadata._continue)
    assert [x.metadata.name for x in last.items] == ["n4"] and not last.metadata._continue
    assert [x.metadata.name for x in core.list_node().items] == ["n0", "n1", "n2", "n4", "n9"]


def test_a_page_that_is_asked_for_too_late_is_gone(cluster: KubernetesServer) -> None:
    for x in range(3):
        cluster.put("nodes", node(f"n{x}"))
    core = api(cluster)
    token = core.list_node(limit=1).metadata._continue
    cluster.put("nodes", node("n9"))
    cluster.compact()
    with pytest.raises(client.ApiException) as error:
        core.list_node(limit=1, _continue=token)
    assert error.value.status == 410 and '"reason": "Expired"' in error.value.body


def test_a_watch_tells_of_changes_and_bookmarks(cluster: KubernetesServer) -> None:
    cluster.put("nodes", node("n0"))
    core = api(cluster)
    listed = core.list_node()
    cluster.put("nodes", node("n1"))
    cluster.put("nodes", node("n1", chips=4))
    cluster.delete("nodes", "n0")
    seen = []
    version = listed.metadata.resource_version
    for event in watch.Watch().stream(
        core.list_node,
        resource_version=version,
        allow_watch_bookmarks=True,
        timeout_seconds=1,
    ):
        seen.append((event["type"], event["raw_object"]["metadata"].get("name")))
        if event["type"] == "BOOKMARK":
            newest = int(event["raw_object"]["metadata"]["resourceVersion"])
            assert newest == int(version) + 3
            break
    assert seen == [("ADDED", "n1"), ("MODIFIED", "n1"), ("DELETED", "n0"), ("BOOKMARK", None)]


def test_a_watch_from_too_old_a_version_is_told_410(cluster: KubernetesServer) -> None:
    cluster.put("nodes", node("n0"))
    core = api(cluster)
    version = core.list_node().metadata.resource_version
    cluster.put("nodes", node("n1"))
    cluster.compact()
    with pytest.raises(client.ApiException) as error:
        # The client retries once with what its own list would give, unless it was given a version.
        list(watch.Watch().stream(core.list_node, resource_version=version, timeout_seconds=1))
    assert error.value.status == 410 and "too old resource version" in str(error.value.reason)


def test_what_ceases_to_fit_a_selector_is_told_as_deleted(cluster: KubernetesServer) -> None:
    selector = "status.phase!=Succeeded,status.phase!=Failed"
    core = api(cluster)
    cluster.put("pods", pod("done", "n0", {}, phase="Succeeded"))
    running = cluster.put("pods", pod("p", "n0", {"cpu": "1"}))
    listed = core.list_pod_for_all_namespaces(field_selector=selector)
    assert [x.metadata.name for x in listed.items] == ["p"]
    cluster.put("pods", running | {"status": {"phase": "Failed"}})
    events = watch.Watch().stream(
        core.list_pod_for_all_namespaces,
        field_selector=selector,
        resource_version=listed.metadata.resource_version,
        timeout_seconds=1,
    )
    assert [event["type"] for event in events] == ["DELETED"]


def test_devices_have_a_group_of_their_own(cluster: KubernetesServer) -> None:
    cluster.put("resourceslices", resource_slice("s", "n0", devices(2)))
    (one,) = api(cluster, client.ResourceV1Api).list_resource_slice().items
    assert one.spec.pool.resource_slice_count == 1 and len(one.spec.devices) == 2
    group = api(cluster, client.ResourceApi).get_api_group()
    assert [x.version for x in group.versions] == ["v1", "v1beta1"]
    assert api(cluster, client.VersionApi).get_code().git_version == GIT_VERSION


def test_who_has_no_right_is_refused(cluster: KubernetesServer) -> None:
    cluster.forbidden.add("pods")
    for core, ask, status in (
        (api(cluster, token="wrong"), "list_node", 401),
        (api(cluster), "list_pod_for_all_namespaces", 403),
        (api(cluster, client.ResourceV1beta2Api), "list_resource_slice", 404),
    ):
        with pytest.raises(client.ApiException) as error:
            getattr(core, ask)()
        assert error.value.status == status
