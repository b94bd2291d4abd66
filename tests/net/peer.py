# SPDX-License-Identifier: BSD-2-Clause
"""A TCP program under the test's control: one JSON command a line on standard input, one JSON answer a line.

listen HOST PORT [how]     accepts until the end. how: "echo" sends back what comes; "reset" reads once and closes with RST
young HOST PORT            listens in a process made for it
connect HOST PORT N        opens N connections at once, non-blocking as Go does it, and keeps those that succeed
timeout HOST PORT SECONDS  gives up after that time and closes, as net.Dialer does it
talk BYTES [ROUNDS]        sends so much on each kept connection and waits for the echo
close                      closes all kept connections
"""
import errno
import json
import os
import selectors
import socket
import struct
import sys
import threading
import time

kept = []
accepted = []
lock = threading.Lock()


def family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def serve_one(s, how):
    try:
        while True:
            data = s.recv(65536)
            if how == "reset":
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                break
            if not data:
                break
            s.sendall(data)
    except OSError:
        pass
    s.close()


def accept_all(listener, how):
    while True:
        s, _ = listener.accept()
        with lock:
            accepted.append(s.fileno())
        threading.Thread(target=serve_one, args=(s, how), daemon=True).start()


def listen(host, port, how="echo", protocol=0):
    s = socket.socket(family(host), socket.SOCK_STREAM, protocol)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family(host) == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind((host, port))
    s.listen(1024)
    threading.Thread(target=accept_all, args=(s, how), daemon=True).start()
    return {}


def young(host, port):
    """Listens in a child process, which is new, and ends with us."""
    ours, its = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(its)
        listen(host, port)
        os.read(ours, 1)
        os._exit(0)
    os.close(ours)
    time.sleep(0.1)
    return {"pid": pid}


def begin(host, port):
    s = socket.socket(family(host), socket.SOCK_STREAM)
    s.setblocking(False)
    code = s.connect_ex((host, port))
    return s, 0 if code == errno.EINPROGRESS else code


def connect(host, port, n=1, seconds=60):
    waiting = selectors.DefaultSelector()
    errors = []
    for _ in range(n):
        s, code = begin(host, port)
        if code:
            errors.append(code)
        else:
            waiting.register(s, selectors.EVENT_WRITE)
    while waiting.get_map():
        ready = waiting.select(seconds)
        if not ready:
            break
        for key, _ in ready:
            waiting.unregister(key.fileobj)
            code = key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            key.fileobj.setblocking(True)
            if code:
                errors.append(code)
                key.fileobj.close()
            else:
                kept.append(key.fileobj)
    late = [key.fileobj for key in waiting.get_map().values()]
    for s in late:
        s.close()
    return {"open": len(kept), "errors": errors, "gave_up": len(late)}


def timeout(host, port, seconds):
    return connect(host, port, 1, seconds)


def talk(size, rounds=1):
    errors = []
    for _ in range(rounds):
        for s in kept:
            try:
                threading.Thread(target=s.sendall, args=(b"x" * size,), daemon=True).start()
                left = size
                while left:
                    data = s.recv(65536)
                    if not data:
                        raise ConnectionError
                    left -= len(data)
            except OSError as e:
                errors.append(e.errno or 0)
    return {"errors": errors}


def close():
    for s in kept:
        s.close()
    n = len(kept)
    kept.clear()
    return {"closed": n}


def status():
    with lock:
        return {"accepted": len(accepted), "open": len(kept)}


commands = {"listen": listen, "connect": connect,
            "young": young, "timeout": timeout, "talk": talk, "close": close, "status": status}
print(json.dumps({"kind": "ready"}), flush=True)
for line in sys.stdin:
    name, *args = json.loads(line)
    print(json.dumps({"kind": "done", **commands[name](*args)}), flush=True)
