"""Selection that ended and begins again."""

from __future__ import annotations

from pathlib import Path

from tests.support.selecting import CHEAP, DEAR, LARGE, selecting
from tests.support.servers import eventually
from tests.support.systems import running_systems


def test_a_restart_knows_all_but_what_was_reserved(tmp_path: Path) -> None:
    demand = {"chips": ["H800"], "per_node": 8, "free": True}
    free = {"chips": 16, "nodes_8": 2}
    with selecting(tmp_path) as net:
        net.tell(CHEAP, **free)
        eventually("it is seen", lambda: net.names(**demand) == [CHEAP])
        kept = net.client.post("/v1/demands", json={"demand": demand}).json()["name"]
        body = {"items": [{"identifier": CHEAP, "size": 8}], "seconds": 30}
        assert net.client.post("/v1/reservations", json=body).status_code == 201
        assert net.select(**demand)[0]["status"]["free"] == {"chips": 8, "nodes_8": 1}
        assert net.server.stop() == 0
        with running_systems(net.file, "selection") as (_, client):
            said = client.post("/v1/select", json=demand).json()
            assert said["complete"] and said["supply"] == len((CHEAP, DEAR, LARGE))
            assert [one["identifier"] for one in said["results"]] == [CHEAP]
            assert said["results"][0]["status"]["free"] == free
            assert client.get("/v1/reservations").json()["items"] == []
            assert [one["name"] for one in client.get("/v1/demands").json()["items"]] == [kept]

            def followed() -> bool:
                return all(one["follows"] for one in client.get("/v1/selection").json()["sources"])

            eventually("both are followed again", followed)
