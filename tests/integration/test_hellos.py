#!/usr/bin/python3
"""ClientHellos from forged addresses at coaps://: they get an answer and no place, so that honest
newcomers come in meanwhile, whatever their TLS library, and those who have a session stay."""
import os
import pwd
import shutil
import socket
import struct
import subprocess
import threading

import fg

KEY = "secretkey"
CLIENTS = [name for name in ("coap-client-openssl", "coap-client-gnutls") if shutil.which(name)]
FORGED = 300    # more than twice what libcoap has places for


def client(name, url, seconds):
    return subprocess.run([name, "-B", str(seconds), "-u", "one", "-k", KEY, "-m", "put", "-e", "7",
                           url], capture_output=True, timeout=60, check=False)


def hello_of(name):
    """The first flight of an honest client."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trap:
        trap.bind(("127.0.0.1", 0))
        trap.settimeout(10)
        url = f"coaps://127.0.0.1:{trap.getsockname()[1]}/d/v"
        threading.Thread(target=client, args=(name, url, 1), daemon=True).start()
        return trap.recv(2048)


def forge(port, data, count, at=0):
    """So many datagrams, each from an address of its own in 127/8."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for n in range(at, at + count):
            who = bytes([127, 77, n // 250, 1 + n % 250])
            sock.sendmsg([data], [(socket.IPPROTO_IP, 8, struct.pack("=I4s4s", 0, who, b"\0" * 4))],
                         0, ("127.0.0.1", port))


def answered(port, data):
    """The answer to a datagram, or nothing: what is sent behind it is answered all the same."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        sock.settimeout(10)
        sock.send(data)
        sock.send(hello_of(CLIENTS[0]))
        first = sock.recv(2048)
        if first[5:11] != data[5:11] or first[13] != 3:
            return None
        return first


def gateway_new(port):
    os.makedirs("secrets", exist_ok=True)
    with open("secrets/k", "w", encoding="utf-8") as file:
        file.write(KEY)
    gateway = fg.Gateway({
        "drivers": {"things": {"type": "coap", "listen": f"coaps://127.0.0.1:{port}",
                               "psk": {"one": {"secret": "k"}}}},
        "bridges": {"file": {"type": "file", "path": os.path.abspath("records.jsonl")}}},
        env={"CREDENTIALS_DIRECTORY": os.path.abspath("secrets")})
    if os.getuid() == 0:    # nobody, who can read less of himself below /proc
        nobody = pwd.getpwnam("nobody")
        os.chmod("..", 0o711)
        for path in (".", "secrets", "secrets/k"):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        gateway.config["run"]["user"] = "nobody"
        gateway.write()
    os.chmod("secrets/k", 0o600)
    return gateway.start()


def test_forged():
    if not CLIENTS:
        return "skipped: no coap-client"
    port = fg.free_port(2)
    gateway = gateway_new(port)
    sealed = hello_of(CLIENTS[0])
    sealed = sealed[:4] + b"\1" + sealed[5:]    # taken for encrypted, and for a hello
    came = 0
    for name in CLIENTS * 2:
        forge(port, hello_of(name), FORGED, at=came * FORGED)
        forge(port, sealed, FORGED, at=came * FORGED)
        forge(port, b"", 3)
        client(name, f"coaps://127.0.0.1:{port}/{name}-{came}/v", 5)
        came += 1
        fg.wait_for(f"{name} to come in behind {came * FORGED} forged hellos",
                    lambda: gateway.ledger()["accepted"] == came)
    ledger = gateway.wait_drained()
    gateway.stop()
    lines = fg.file_lines("records.jsonl")
    fg.equal(fg.total(fg.audit(lines, fg.until(ledger))), came, "records")
    return f"{came} handshakes of {len(CLIENTS)} libraries behind {2 * came * FORGED} forged hellos"


def test_told():
    """An operator hears of it: of wrong ones with their first bytes, rarely."""
    if not CLIENTS:
        return "skipped: no coap-client"
    port = fg.free_port(2)
    gateway = gateway_new(port)
    hello = hello_of(CLIENTS[0])
    fg.equal(len(answered(port, hello)), 60, "bytes of a HelloVerifyRequest")
    for wrong in (hello[:60], hello[:19] + b"\1" + hello[20:]):
        fg.equal(answered(port, wrong[:5] + b"\0\0\0\0\0\7" + wrong[11:]), None, "answer")
    log = gateway.said()
    fg.check(log.count("refused a malformed ClientHello") == 2, log)
    gateway.wait_drained()
    gateway.stop()


fg.main(globals())
