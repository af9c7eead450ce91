"""The main job on real input: give identifiers to resources, serve them, resolve some.

Takes the instance types of examples/china_regions.csv into a fresh `demo-data`, serves them on
127.0.0.1:5300 with one UDP worker per core, resolves a few over UDP and TCP, and stays up until
Ctrl-C. With DEMO_EXIT set it ends after the resolutions.
"""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
TABLE = HERE / "china_regions.csv"
DATA = HERE.parent / "demo-data"
SERVER = "127.0.0.1:5300"
CSID = (sys.executable, "-m", "gateway.cli")
SHOWN = 4  # identifiers resolved, spread over the table


def run(*words: str) -> None:
    """Run one csid command, shown as a user would type it; a failure ends the demo."""
    print(f"\n$ csid {' '.join(words)}", flush=True)
    subprocess.run([*CSID, *words], check=True)


def some_identifiers() -> list[str]:
    """Identifiers from all over the table."""
    with TABLE.open(encoding="utf-8-sig", newline="") as stream:
        rows = [row["identifier"] for row in csv.DictReader(stream)]
    return [rows[len(rows) * part // SHOWN + 7] for part in range(SHOWN)]


def main() -> int:
    shutil.rmtree(DATA, ignore_errors=True)
    # A node's progress is kept outside its directory; a demo leaves nothing outside its own.
    os.environ.setdefault("CSID_STATE", str(DATA / "state"))
    data = os.path.relpath(DATA)
    run("init", "--data", data)
    run("import", os.path.relpath(TABLE), "--data", data)
    print(f"\n$ csid serve --data {data} --listen {SERVER}", flush=True)
    server = subprocess.Popen(
        [*CSID, "serve", "--data", data, "--listen", SERVER], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        ready = server.stdout.readline()
        if not ready.startswith("ready"):
            print("the server did not come up; its message stands above", file=sys.stderr)
            return 1
        print(ready, end="")
        identifiers = some_identifiers()
        for number, identifier in enumerate(identifiers):
            transport = ["--tcp"] if number % 2 else []
            run("resolve", identifier, "--server", SERVER, *transport)
        run("id", "explain", identifiers[0])
        show_dig(identifiers[0])
        if os.environ.get("DEMO_EXIT"):
            return 0
        print("\nServing until Ctrl-C.", flush=True)
        server.wait()
        return server.returncode
    except subprocess.CalledProcessError as error:
        return int(error.returncode)
    except KeyboardInterrupt:
        return 0
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


def show_dig(identifier: str) -> None:
    """The same question as any DNS tool asks it."""
    from csid.identifier import parse

    host, port = SERVER.split(":")
    name = parse(identifier).to_dns_name()
    print(f"\nWith any DNS tool:\n  dig @{host} -p {port} {name} TXT\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
