"""A container's health: `python connected.py KAFKA_BOOTSTRAP_SERVERS`, with nothing but the standard library.

Status 0 where a connection stands to a port that the variable names, else 1.
"""

import os
import re
import sys
from collections.abc import Iterable

_ESTABLISHED = "01"


def ports_in(addresses: str) -> set[int]:
    """Return the ports of `host:port` addresses."""
    return {int(port) for port in re.findall(r":(\d+)\b", addresses)}


def connected_ports(tables: Iterable[str]) -> set[int]:
    """Return the remote ports of standing connections, from the text of /proc/net/tcp and tcp6."""
    rows = (line.split() for table in tables for line in table.splitlines()[1:])
    return {int(row[2].rpartition(":")[2], 16) for row in rows if row[3] == _ESTABLISHED}


def _tables() -> Iterable[str]:
    for file in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(file, encoding="ascii") as table:
                yield table.read()
        except FileNotFoundError:
            continue


if __name__ == "__main__":
    sys.exit(not ports_in(os.environ.get(sys.argv[1], "")) & connected_ports(_tables()))
