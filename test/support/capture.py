"""Writes every packet of some interfaces to a file until standard input ends: capture.py FILE INTERFACE..."""

import select
import socket
import sys

ALL_PROTOCOLS = 3  # ETH_P_ALL
sockets = []
for name in sys.argv[2:]:
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024 * 1024)
    one.bind((name, 0))
    sockets.append(one)
with open(sys.argv[1], "wb") as out:
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([*sockets, sys.stdin], [], [])
        for one in ready:
            if one is not sys.stdin:
                packet = one.recv(1 << 17)
                out.write(len(packet).to_bytes(4, "big") + packet)
        if ready == [sys.stdin]:
            break
