"""`csid system`: what there is, one that is made and run, who may call it."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from gateway.configuration.load import load
from tests.support.commands import run
from tests.support.servers import PATIENCE
from tests.support.systems import ID, configured, made, running_systems


def test_what_there_is_and_which_of_it_runs(tmp_path: Path) -> None:
    file = configured(made(tmp_path), 'run = ["remark"]')
    ran = run("--config", file, "system", "list", "--json")
    assert ran.code == 0
    assert {row["name"]: (row["builtin"], row["runs"]) for row in ran.json} == {
        "aggregation": (True, False),
        "selection": (True, False),
        "remark": (False, True),
    }


def test_one_that_cannot_be_loaded_is_said_and_the_others_are_listed(tmp_path: Path) -> None:
    file = configured(made(tmp_path, "broken"))
    (tmp_path / "broken" / "system.py").write_text("import no_such_module\n")
    ran = run("--config", file, "system", "list", "--json")
    assert ran.code == 1
    broken = ran.json[-1]
    assert "no_such_module" in broken["error"]
    assert "error" not in ran.json[0]


def test_a_new_one_works_as_it_stands(tmp_path: Path) -> None:
    file = configured(made(tmp_path), 'run = ["remark"]', "[remark]", "days = 30")
    with running_systems(file) as (server, client):
        assert client.get(f"/v1/remark/{ID}").status_code == 404
        left = client.post(f"/v1/remark/{ID}", json={"text": "风扇已更换"})
        assert left.status_code == 201
        assert client.get(f"/v1/remark/{ID}").json() == left.json()
        assert left.json()["text"] == "风扇已更换"
        health = client.get("/v1/health").json()
        assert health == {
            "status": "ok",
            "systems": ["remark"],
            "waiting": [],
            "tasks": [{"name": "remark.forgetting", "is_failing": False, "failures": 0, "why": ""}],
        }
        document = client.get("/openapi.json").json()
        assert set(document["paths"]) == {"/v1/health", "/metrics", "/v1/remark/{identifier}"}
        assert server.stop() == 0
    with running_systems(file) as (_, client):  # what was left is there the next time
        assert client.get(f"/v1/remark/{ID}").json() == left.json()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"text": 1}', "Expected `str`, got `int`"),
        (b"{}", "missing required field `text`"),
        (b"{", "cannot be read"),
        (b"[" * 100_000, "Expected `object`, got `array`"),
    ],
)
def test_a_body_that_is_none_is_refused_with_the_reason(
    tmp_path: Path, body: bytes, said: str
) -> None:
    with running_systems(configured(made(tmp_path)), "remark") as (_, client):
        answer = client.post(
            f"/v1/remark/{ID}", content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code in (400, 422)
        assert said in answer.json()["detail"]


def test_what_is_not_taken_behind_the_question_mark_is_said(tmp_path: Path) -> None:
    with running_systems(configured(made(tmp_path)), "remark") as (_, client):
        answer = client.get(f"/v1/remark/{ID}?colour=red")
        assert answer.status_code == 422
        assert "'colour': no such parameter; none is taken here" in answer.json()["detail"]


def test_with_the_first_key_everybody_has_to_present_one_that_allows_it(tmp_path: Path) -> None:
    file = configured(made(tmp_path))
    with running_systems(file, "remark") as (_, client):
        assert client.post(f"/v1/remark/{ID}", json={"text": "a"}).status_code == 201
        ran = run("--config", file, "system", "key", "add", "looker", "--role", "read", "--json")
        looker = {"Authorization": f"Bearer {ran.json[0]['key']}"}
        assert client.get(f"/v1/remark/{ID}").status_code == 401
        assert client.get(f"/v1/remark/{ID}", headers=looker).status_code == 200
        refused = client.post(f"/v1/remark/{ID}", json={"text": "b"}, headers=looker)
        assert refused.status_code == 403
        assert "the key looker allows to read; this needs one to ask" in refused.json()["detail"]
        ran = run("--config", file, "system", "key", "add", "asker", "--role", "ask", "--json")
        asker = {"Authorization": f"Bearer {ran.json[0]['key']}"}
        answer = client.post(f"/v1/remark/{ID}", json={"text": "b"}, headers=asker)
        assert answer.json()["by"] == "asker"
        assert run("--config", file, "system", "key", "remove", "asker").code == 0
        assert client.get(f"/v1/remark/{ID}", headers=asker).status_code == 401


def test_a_secret_of_another_key_is_none(tmp_path: Path) -> None:
    file = configured(made(tmp_path))
    with running_systems(file, "remark") as (_, client):
        keys = [
            run("--config", file, "system", "key", "add", name, "--role", "read", "--json").json[0]
            for name in ("one", "other")
        ]
        secret = keys[1]["key"].rpartition("_other_")[2]
        mixed = {"Authorization": f"Bearer csid_one_{secret}"}
        assert client.get("/v1/health", headers=mixed).status_code == 401


def test_keys_are_listed_without_their_secrets(tmp_path: Path) -> None:
    folder = ("--data", tmp_path)
    made_key = run("system", "key", "add", "one", "--role", "operate", *folder, "--json").json[0]
    listed = run("system", "key", "list", *folder, "--json")
    assert [(row["name"], row["role"]) for row in listed.json] == [("one", "operate")]
    assert made_key["key"].rpartition("_")[2] not in listed.out
    again = run("system", "key", "add", "one", "--role", "read", *folder)
    assert (again.code, "there is a key one" in again.err) == (2, True)
    assert run("system", "key", "remove", "none", *folder).code == 2


def test_a_process_that_follows_another_begins_its_tasks_when_that_has_ended(
    tmp_path: Path,
) -> None:
    file = configured(made(tmp_path))
    with running_systems(file, "remark") as (server, client):
        server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + PATIENCE
        while "have opened it anew" not in server.log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert client.post(f"/v1/remark/{ID}", json={"text": "a"}).status_code == 201
        assert "another process has it" in server.log.read_text()


def test_to_be_called_by_others_takes_a_certificate(tmp_path: Path) -> None:
    file = configured(made(tmp_path), 'listen = "192.0.2.1:8090"')
    ran = run("--config", file, "system", "run", "remark")
    assert ran.code == 2
    assert "keys would be sent in the clear" in ran.err


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["[remark]", "days = 0"], "[remark] days: 0: expected"),
        (["[remark]", "day = 3"], "did you mean days?"),
        (["[remarks]"], "did you mean remark?"),
    ],
)
def test_a_slip_in_the_section_of_a_system_elsewhere_is_found(
    tmp_path: Path, lines: list[str], said: str
) -> None:
    ran = run("--config", configured(made(tmp_path), *lines), "config", "check")
    assert ran.code == 2
    assert said in ran.err.replace("'", "")


def test_what_holds_of_it_is_shown_as_a_file_has_it(tmp_path: Path) -> None:
    file = configured(made(tmp_path), "[remark]", 'frozen = ["X"]')
    assert '[remark]\nfrozen = ["X"]' in run("--config", file, "config", "show").out


@pytest.mark.parametrize(
    "name", ["Upper", "selection", "template", "../x", "", "serve", "rate_limit", "resolve"]
)
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    assert run("system", "new", name, "--folder", tmp_path).code == 2
    assert list(tmp_path.iterdir()) == []


def test_none_is_written_over(tmp_path: Path) -> None:
    made(tmp_path)
    before = (tmp_path / "remark" / "system.py").read_bytes()
    (tmp_path / "remark" / "system.py").write_bytes(before + b"# mine\n")
    assert run("system", "new", "remark", "--folder", tmp_path).code == 2
    assert (tmp_path / "remark" / "system.py").read_bytes() == before + b"# mine\n"


def test_no_system_of_that_name(tmp_path: Path) -> None:
    ran = run("--config", configured(tmp_path), "system", "run", "nothing")
    assert ran.code == 2
    assert "there is no such system; there are aggregation, selection" in ran.err


def test_a_body_without_a_media_type_is_not_taken(tmp_path: Path) -> None:
    with running_systems(configured(made(tmp_path)), "remark") as (_, client):
        for media in ("text/plain", ""):
            answer = client.post(
                f"/v1/remark/{ID}", content=b'{"text": "a"}', headers={"Content-Type": media}
            )
            assert answer.status_code == 415, media
        many = "&".join(f"a{number}=1" for number in range(200))
        assert client.get(f"/v1/remark/{ID}?{many}").status_code == 422


def test_a_folder_named_like_a_section_takes_none_away(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "remark").rename(tmp_path / "serve")
    text = (tmp_path / "serve" / "system.py").read_text().replace("remark", "serve")
    (tmp_path / "serve" / "system.py").write_text(text)
    file = configured(tmp_path, "[serve]", 'systems = ["guard"]')
    assert load(file).serve.systems == ("guard",)
    ran = run("--config", configured(tmp_path, "[serve]", "day = 3"), "config", "check")
    assert ran.code == 2 and "no such option" in ran.err
    for words in (("system", "list"), ("system", "run", "serve")):
        ran = run("--config", configured(tmp_path), *words)
        assert ran.code in (1, 2)
        assert f"{tmp_path / 'serve'}: [serve] is a section of the configuration" in ran.err


def test_a_section_has_the_name_of_its_system_as_it_is(tmp_path: Path) -> None:
    file = configured(made(tmp_path, "remark_two"), "[remark_two]", "days = 30")
    assert load(file).elsewhere == {"remark_two": {"days": 30}}
    ran = run("--config", configured(tmp_path, "[remark-two]"), "config", "check")
    assert ran.code == 2 and "did you mean remark_two?" in ran.err


def test_a_system_that_ends_the_process_fails_that_call_alone(tmp_path: Path) -> None:
    file = configured(made(tmp_path))
    text = (tmp_path / "remark" / "system.py").read_text()
    text = text.replace("        note = Note(", "        raise SystemExit(3)\n        note = Note(")
    (tmp_path / "remark" / "system.py").write_text(text)
    with running_systems(file, "remark") as (_, client):
        for _ in range(2):
            assert client.post(f"/v1/remark/{ID}", json={"text": "a"}).status_code == 500
            assert client.get("/v1/health").json()["status"] == "ok"
