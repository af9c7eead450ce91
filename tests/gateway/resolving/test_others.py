"""Programs that others wrote, before a gateway: a resolver that forwards to it, and a load."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest

from tests.gateway.resolving.test_gateway import ABSENT, NAME, Net
from tests.gateway.resolving.test_gateway import net as net
from tests.support.peers import free_port
from tests.support.servers import PATIENCE, eventually

SYSTEM = "/usr/sbin:/usr/bin"


def test_unbound_forwards_to_it(net: Net, tmp_path: Path) -> None:
    unbound = shutil.which("unbound", path=SYSTEM)
    if unbound is None:
        pytest.skip("unbound is not installed")
    port = free_port()
    file = tmp_path / "unbound.conf"
    file.write_text(
        f"""\
server:
  interface: 127.0.0.1
  port: {port}
  username: ""
  chroot: ""
  directory: "{tmp_path}"
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  do-not-query-localhost: no
  module-config: "iterator"
  use-caps-for-id: yes
  local-zone: "internal." nodefault
forward-zone:
  name: "csid.internal."
  forward-addr: 127.0.0.1@{net.gateway.port}
remote-control:
  control-enable: no
"""
    )
    with (tmp_path / "unbound.log").open("w") as log:
        process = subprocess.Popen([unbound, "-d", "-c", str(file)], stdout=log, stderr=log)
    try:

        def ask(name: str) -> dns.message.Message:
            query = dns.message.make_query(name, "TYPE65347", use_edns=0)
            return dns.query.udp(query, "127.0.0.1", port=port, timeout=PATIENCE)

        def is_up() -> bool:
            return "start of service" in (tmp_path / "unbound.log").read_text()

        eventually("unbound answers", is_up)
        assert ask(NAME).answer
        assert ask(ABSENT.to_dns_name()).rcode() == dns.rcode.NXDOMAIN
    finally:
        process.terminate()
        process.wait(PATIENCE)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_load_loses_nothing(net: Net, tmp_path: Path, transport: str) -> None:
    dnsperf = shutil.which("dnsperf", path=SYSTEM)
    if dnsperf is None:
        pytest.skip("dnsperf is not installed")
    names = [NAME, *[f"absent{number}.csid.internal." for number in range(200)]]
    asked = tmp_path / "asked"
    asked.write_text("".join(f"{name} TXT\n" for name in names))
    words = ["-s", "127.0.0.1", "-p", str(net.gateway.port), "-d", str(asked), "-m", transport]
    ran = subprocess.run(
        [dnsperf, *words, "-n", "20", "-c", "4", "-q", "50"], capture_output=True, text=True
    )
    assert f"Queries completed:    {20 * len(names)} (100.00%)" in ran.stdout, ran.stdout
