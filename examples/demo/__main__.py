"""A national root, the aggregate, two region nodes and an industry node on this machine, and a
gateway in front of them.

They are registered, file real resources (those of examples/china_regions.csv that lie in their
scopes), answer for each other's, refuse what is not theirs to do; then one more code is assigned,
and it is shown how soon its receipt is there and the aggregate answers for it; then what a demand
needs is selected from all of them. All of it stays up
until Ctrl-C, or ends by itself with DEMO_EXIT set. PORT is that of all nodes, 5300 unless given;
what is written is in demo-data. Exit code 1: something that was said did not happen.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Final, NoReturn

from csid import scheme
from csid.address import Address
from csid.identifier import make, parse
from examples.demo import arrival, nodes
from examples.demo.nodes import (
    BEIJING,
    CSID,
    GATEWAY,
    GATEWAY_HOST,
    INTERNET,
    JOINING,
    NODES,
    OFFERING,
    ROOM,
    ROOT,
    SUM,
    SYSTEMS,
    ZHEJIANG,
    Node,
    Servers,
    page_port,
    systems_port,
)
from examples.demo.terminal import DemoError, csid, heading, interrupt, quietly, show, table, until
from resolver.client.walking import walk

TABLE: Final = Path(__file__).parents[1] / "china_regions.csv"
FILING: Final = (ZHEJIANG, BEIJING)  # those with resources of their own
OWNERS: Final = {
    "X0000000000000101T": "示例主体甲 (AWS)",
    "X0000000000000102X": "示例主体乙 (Azure)",
}
CUTS: Final = (  # in which the resources lie
    "X0000000000000101T/6450/110000",
    "X0000000000000102X/6450/110000",
    "X0000000000000102X/6450/310000",
)
HANGZHOU: Final = ("X0000000000000102X", "6450", "330106")  # where no code was assigned before
CONTACT: Final = "noc@owner.example"


def main() -> int:
    """Tell the story; the exit code."""
    signal.signal(signal.SIGINT, interrupt)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        port = _port()
        nodes.check_addresses(port)
        with _room(), Servers(port) as servers:
            _tell(servers, port)
            if not os.environ.get("DEMO_EXIT"):
                print("\n运行中 serving until Ctrl-C.", flush=True)
                servers.wait()
    except KeyboardInterrupt:
        print()
        return 0
    except DemoError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    return 0


def _end(*_: object) -> NoReturn:
    raise SystemExit(1)


def _port() -> int:
    text = os.environ.get("PORT") or "5300"
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) < 65_536:
        raise DemoError(f"PORT={text}: expected a port, 1 to 65535, such as PORT=5300")
    return int(text)


class _room:
    """An empty folder of the demo's own, which no other demo has meanwhile."""

    def __enter__(self) -> None:
        ROOM.mkdir(exist_ok=True)
        self._lock = (ROOM / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(f"another demo runs in {ROOM}; end it first 另一演示正在运行") from None
        for path in ROOM.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != "lock":
                path.unlink()
        nodes.environment()

    def __exit__(self, *_: object) -> None:
        self._lock.close()


def _tell(servers: Servers, port: int) -> None:
    began = time.perf_counter()
    _raise_network(servers, port)
    shown = _file_resources()
    _resolve(port, shown)
    page = _remember(servers, port, shown)
    _refuse(port)
    _assign_one_more(port)
    _select(servers, port)
    print(f"\n共用时 all of it took {time.perf_counter() - began:.0f} s")
    print(f"网关页面 the gateway's page: {page}", flush=True)


def _raise_network(servers: Servers, port: int) -> None:
    heading("一、国家节点", "1. The national node keeps the register of nodes")
    csid("init", "--data", ROOT.data, "--role", "national", "--address", ROOT.host)
    servers.start(ROOT)
    for code, name in OWNERS.items():
        facts = ("--kind", "resource", "--name", name, "--contact", CONTACT)
        csid("owner", "add", code, *facts, "--data", ROOT.data)
        csid("owner", "accredit", code, "--data", ROOT.data)

    heading("二、节点登记", "2. Nodes are registered, and made with the line that this prints")
    print("浙江节点在此兼管上海 (31)：表中没有浙江的资源")
    print("The Zhejiang node has Shanghai (31) as well: the table has no resources in Zhejiang")
    lines = {node: _register(node, port) for node in JOINING}
    for node, line in lines.items():
        csid(*shlex.split(line.replace("--data DIR", f"--data {node.data}"))[1:])
        servers.start(node)
    print()
    servers.wait_ready()
    csid("node", "list", "--data", ROOT.data, says=INTERNET.name)


def _register(node: Node, port: int) -> str:
    """Register a node; the command that makes it."""
    words: list[object] = ["node", "add", node.name, "--role", node.role]
    for one in node.scope:
        words += ["--scope", one]
    words += ["--address", f"{node.host}:{port}", "--root", f"{ROOT.host}:{port}"]
    said = csid(*words, "--data", ROOT.data)
    return next(line for line in said.splitlines() if line.startswith("csid init "))


# -- filing


def _file_resources() -> dict[Node, str]:
    """File the resources of each region; one identifier of each."""
    heading("三、备案", "3. Real resources are filed: cuts with the root, then each identifier")
    shown = {node: _table_of(node) for node in FILING}
    until("all nodes have the root zone", lambda: all(map(_is_followed, JOINING)))
    began = time.perf_counter()
    _import()
    imported = time.perf_counter() - began
    csid("filing", "status", "--data", ZHEJIANG.data)
    until("each identifier has its receipt", lambda: all(map(_is_filed, FILING)), 120.0)
    taken = time.perf_counter() - began
    csid("filing", "status", "--data", ZHEJIANG.data, says="wait 0, 未通过 refused 0")
    said = csid("filing", "list", "--data", ROOT.data)
    if not all(cut in said for cut in CUTS):
        raise DemoError(f"expected these cuts to be filed: {', '.join(CUTS)}")
    until("the aggregate holds all cuts", lambda: _zones(SUM) == len(CUTS) + 2)
    csid("sync", "status", "--data", SUM.data, within=10.0)
    rows = [
        ("入库 imported", f"{imported:.1f}"),
        ("全部取得回执 all have receipts", f"{taken:.1f}"),
    ]
    table(("自导入起 Since the import began", "秒 s"), rows)
    return shown


def _import() -> None:
    """Import the tables of all regions, side by side."""
    with contextlib.ExitStack() as stack:
        running = []
        for node in FILING:
            words = ("import", str(_path(node)), "--data", str(node.data))
            show(words)
            process = subprocess.Popen([*CSID, *words], stdout=subprocess.PIPE, text=True)
            stack.callback(process.kill)  # where the demo is ended meanwhile
            running.append(process)
        for process in running:
            said, _ = process.communicate()
            print(said, end="", flush=True)
            if process.returncode:
                raise DemoError(f"csid import ended with exit code {process.returncode}")


def _path(node: Node) -> Path:
    return ROOM / f"{node.name}.csv"


def _table_of(node: Node) -> str:
    """Write the rows of the example table that lie in a node's scope; one identifier of them."""
    with TABLE.open(encoding="utf-8-sig", newline="") as source:
        heads, *rows = csv.reader(source)
    taken = [row for row in rows if row[0].split("/")[2].startswith(node.scope)]
    with _path(node).open("w", encoding="utf-8", newline="") as made:
        csv.writer(made, lineterminator="\n").writerows([heads, *taken])
    return taken[len(taken) // 2][0]


def _is_followed(node: Node) -> bool:
    code, _ = quietly("sync", "status", "--data", node.data)
    return code == 0


def _is_filed(node: Node) -> bool:
    """Whether nothing waits at a node."""
    code, text = quietly("filing", "status", "--json", "--data", node.data)
    for line in text.splitlines():
        if json.loads(line)["refused"]:
            raise DemoError(f"{node.name}: refused: {line}")
    return code == 0 and not text


def _zones(node: Node) -> int:
    """The zones that a node holds as they are at their primaries."""
    _, text = quietly("sync", "status", "--json", "--data", node.data)
    return sum(json.loads(line)["state"] == "current" for line in text.splitlines())


# -- resolving


def _resolve(port: int, shown: dict[Node, str]) -> None:
    heading("四、一点接入，全网贯通", "4. Whichever node is asked answers, or refers to who does")
    for node, identifier in shown.items():
        where = ("--root", f"{ROOT.host}:{port}", "--trace")
        csid("resolve", identifier, *where, says=f"udp {node.name}.nodes.")
    csid("resolve", shown[ZHEJIANG], "--root", f"{BEIJING.host}:{port}", "--trace")
    words = ("resolve", shown[BEIJING], "--server", f"{INTERNET.host}:{port}")
    until("the industry node holds it", lambda: quietly(*words)[0] == 0)
    csid(*words)
    for identifier in shown.values():
        for node in NODES:
            what = f"{identifier} resolves by way of {node.name}"
            until(what, lambda: _is_active(identifier, node, port))  # noqa: B023
    name = parse(shown[ZHEJIANG]).to_dns_name()
    print(f"\n$ dig @{SUM.host} -p {port} {name} TXT   # 任何 DNS 工具 any DNS tool")


def _is_active(identifier: str, node: Node, port: int) -> bool:
    """Whether an identifier is found from a node by following referrals."""
    name = parse(identifier).to_dns_name()
    found = walk(name, [Address(node.host, port)], scheme.load().dns_suffix).found
    return found is not None and found.record is not None and found.record.state == "active"


def _remember(servers: Servers, port: int, shown: dict[Node, str]) -> str:
    """Ask a gateway; the address of its page."""
    heading("五、算力标识网关", "5. A gateway finds everything from the root, and remembers it")
    servers.start_gateway()
    asked = f"{GATEWAY_HOST}:{port}"
    for identifier in shown.values():
        csid("resolve", identifier, "--server", asked, says=identifier)
    for identifier in shown.values():
        quietly("resolve", identifier, "--server", asked)
    csid("cache", "stats", "--data", ROOM / GATEWAY)
    page = f"http://{GATEWAY_HOST}:{page_port(port)}/"
    identifier = shown[BEIJING]
    print(f"\n$ curl {page}v1/identifiers/{identifier}", flush=True)
    with urllib.request.urlopen(f"{page}v1/identifiers/{identifier}") as answer:
        said = json.loads(answer.read())
    if said["state"] != "active":
        raise DemoError(f"the gateway says of {identifier}: {said['state']}")
    print(json.dumps(said, ensure_ascii=False, indent=1)[:400] + " …")
    return f"{page}?q={identifier}"


def _refuse(port: int) -> None:
    heading("六、越权赋码被拒", "6. What is not a node's to do is refused, in words")
    what = "/".join((*HANGZHOU, "GCV", "G09M04R8-HZ1"))
    csid("assign", what, "--data", BEIJING.data, code=1, says="OUT_OF_SCOPE")
    csid("assign", what, "--data", INTERNET.data, code=1, says=f"{ZHEJIANG.host}:{port}")


# -- how soon


def _assign_one_more(port: int) -> None:
    heading("七、再赋一码", "7. One more code, and how soon the network has it")
    columns = [_assigned("HZ1", port), _assigned("HZ2", port)]
    rows = [
        (what, *(f"{column[at]:.1f}" for column in columns))
        for at, what in enumerate(
            (
                "本节点可解析，备案中 its node answers: filing",
                "汇聚节点应答 the aggregate answers for it",
                "回执到达，已生效 its receipt is there: active",
            )
        )
    ]
    heads = (
        "自 csid assign 起的毫秒 ms since csid assign",
        "新切分点首码 first of a cut",
        "其后一码 the next",
    )
    table(heads, rows)


def _assigned(serial: str, port: int) -> list[float]:
    """Assign a code; the milliseconds until its node, the aggregate and the receipt were there."""
    identifier = make(*HANGZHOU, "GCV", "G09M04R8", serial)
    name = identifier.to_dns_name()
    here = arrival.Observer(name, ZHEJIANG.host, port)
    there = arrival.Observer(name, SUM.host, port)
    with here, there:
        words = ("assign", identifier, "--endpoint", "https://hz.owner.example")
        began = time.perf_counter()
        csid(*words, "--data", ZHEJIANG.data, says=str(identifier))
        until(f"{identifier} has its receipt", here.is_active)
        until("the aggregate has it as active", there.is_active)
    moments = (min(here.first.values()), min(there.first.values()), here.first["active"])
    return [(moment - began) * 1_000 for moment in moments]


# -- selection


def _select(servers: Servers, port: int) -> None:
    heading("八、按需求选择算力", "8. The compute that a demand needs, the best first, and why")
    tokens = {node: ROOM / f"{node.name}.token" for node in OFFERING}
    for node, file in tokens.items():
        words = ("token", "add", "selection", "--role", "read-only", "--data", node.data)
        show(words, f" > {file}")
        code, text = quietly(*words)
        if code:
            raise DemoError(f"csid token ended with exit code {code}: {text}")
        file.write_text(text.splitlines()[0] + "\n")
    registries = [f"http://{node.host}:{page_port(port)}" for node in OFFERING]
    url = f"http://{GATEWAY_HOST}:{systems_port(port)}"
    file = ROOM / f"{SYSTEMS}.toml"
    file.write_text(
        f'[systems]\ndata = "{ROOM / SYSTEMS}"\nlisten = "{url.removeprefix("http://")}"\n'
        f"[selection]\nregistry = {json.dumps(registries)}\n"
        f"token = {json.dumps([str(one) for one in tokens.values()])}\n"
    )
    servers.start_selection(file)
    until("selection knows all of the supply", lambda: _knows_all(url))
    needs = ("--vcpu", 64, "--node-memory", 256, "--near", 310000, "--rtt", 20)
    csid("select", *needs, "--top", 3, "--url", url, says="/310000/")
    csid("select", "--chip", "昇腾", "--cards", 8, "--url", url, code=1, says="chips")


def _knows_all(url: str) -> bool:
    code, text = quietly("select", "--top", "1", "--json", "--url", url)
    return code == 0 and bool(json.loads(text.splitlines()[0])["complete"])


if __name__ == "__main__":
    sys.exit(main())
