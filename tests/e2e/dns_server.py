# SPDX-License-Identifier: BSD-2-Clause
"""dns_server.py DELAY_MS: a DNS server on 127.0.0.1:53 whose first label says what it does: slow (after the delay), mute (never);
others are answered at once. Names below cluster.local do not exist. Prints {"kind": "ready"}, and when its standard input ends one
line: for each name what it was asked for, how often, and how many seconds it held each query."""
import heapq
import json
import select
import socket
import struct
import sys
import time

NXDOMAIN = 3
TYPE_A = 1


def name_of(query):
    """Dotted name, type, end of the question."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    return ".".join(labels), struct.unpack(">H", query[at + 1:at + 3])[0], at + 5


def answer(query):
    name, qtype, end = name_of(query)
    missing = name.endswith("cluster.local")
    records = b"" if missing or qtype != TYPE_A else b"\xc0\x0c" + struct.pack(">HHIH4B", TYPE_A, 1, 60, 4, 192, 0, 2, 1)
    flags = 0x8180 | (NXDOMAIN if missing else 0)
    return query[:2] + struct.pack(">HHHHH", flags, 1, bool(records), 0, 0) + query[12:end] + records


def main():
    delay = float(sys.argv[1]) / 1000
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 53))
    print('{"kind": "ready"}', flush=True)
    due, held, n = [], {}, 0
    while True:
        wait = max(0, due[0][0] - time.monotonic()) if due else None
        ready, _, _ = select.select([s, sys.stdin], [], [], wait)
        now = time.monotonic()
        if s in ready:
            query, peer = s.recvfrom(2048)
            name, _, _ = name_of(query)
            of = held.setdefault(name, [])
            if name.startswith("mute"):
                of.append(None)
            else:
                n += 1
                heapq.heappush(due, (now + (delay if name.startswith("slow") else 0), n, now, query, peer))
        while due and due[0][0] <= time.monotonic():
            _, _, got, query, peer = heapq.heappop(due)
            held[name_of(query)[0]].append(time.monotonic() - got)
            s.sendto(answer(query), peer)
        if sys.stdin in ready and not sys.stdin.readline():
            break
    print(json.dumps({"kind": "served", "held": held}), flush=True)


main()
