"""Whoever is not who they should be is refused, each with its reason, and nothing leaves in the
clear meanwhile: brokers behind mqtts:// on both sides, and devices at coaps://. Every broker has a
listener of the test in front, which writes down what the gateway sends and first plays the wrong
one; when the right one stands there the records flow, and are audited. The files of OpenSSL allow
everything, so that what is refused is refused by the gateway. Certificates are made here, by the
openssl command."""
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import threading
import warnings

import fg

CANARY = "canary-reading-7316"
LOGIN = {"username": "canary-user-7316", "password": {"secret": "up"}}
SECRETS = ("canary-reading-7316", "canary-user-7316", "canary-password-7316", "canary-key-7316")
BEFORE, AFTER = ("20200101000000Z", "20200201000000Z"), ("20480101000000Z", "20480201000000Z")
ALWAYS = ("20200101000000Z", "20480101000000Z")
OURS = "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:cloud.example"
CA = "basicConstraints=critical,CA:TRUE"
ANYTHING = "openssl_conf=a\n[a]\nssl_conf=b\n[b]\nsystem_default=c\n[c]\nMinProtocol=TLSv1\n" \
           "CipherString=ALL:@SECLEVEL=0\n"


# -- certificates --

def openssl(*args):
    done = subprocess.run(["openssl", *args], capture_output=True, check=False)
    fg.check(done.returncode == 0, f"openssl {args}: " + done.stderr.decode())


def write(path, text, mode=0o600):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)


def key(name, *how):
    how = how or ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    openssl("genpkey", *how, "-out", name + ".key")


def certificate(name, of, extensions=OURS, issuer=None, dates=ALWAYS, digest="sha256"):
    """NAME.crt for the key OF, signed by the issuer (none: by itself)."""
    write(name + ".ext", extensions + "\n")
    if not os.path.exists("ca.conf"):
        write("ca.conf", "[ca]\ndefault_ca=x\n[x]\ndatabase=index\nnew_certs_dir=.\n"
              "unique_subject=no\npolicy=p\nrand_serial=yes\n[p]\ncommonName=supplied\n"
              "[req]\ndistinguished_name=dn\n[dn]\n")
        write("index", "")
    openssl("req", "-new", "-config", "ca.conf", "-key", of + ".key", "-subj", f"/CN={name}",
            "-out", name + ".csr")
    signer = ("-selfsign", "-keyfile", of + ".key") if not issuer else \
             ("-cert", issuer + ".crt", "-keyfile", issuer + ".key")
    openssl("ca", "-batch", "-notext", "-config", "ca.conf", *signer, "-md", digest,
            "-startdate", dates[0], "-enddate", dates[1], "-extfile", name + ".ext",
            "-in", name + ".csr", "-out", name + ".crt")


def make_certificates():
    for name in ("ca", "alien", "broker", "middle", "late"):
        key(name)
    key("weak", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
    certificate("ca", "ca", CA)
    certificate("alien", "alien", CA)
    certificate("middle", "middle", CA, "ca")
    certificate("late", "late", CA, "ca", BEFORE)
    certificate("broker", "broker", issuer="ca")
    certificate("expired", "broker", issuer="ca", dates=BEFORE)
    certificate("not-yet", "broker", issuer="ca", dates=AFTER)
    certificate("other-name", "broker",
                "subjectAltName=IP:127.0.0.2,DNS:local.host,DNS:*.localhost", "ca")
    certificate("stranger", "broker", issuer="alien")
    certificate("self-signed", "broker")
    certificate("below-middle", "broker", issuer="middle")
    certificate("below-late", "broker", issuer="late")
    certificate("below-broker", "broker", issuer="broker")
    certificate("client", "broker", OURS + "\nextendedKeyUsage=clientAuth", "ca")
    certificate("weak", "weak", issuer="ca")
    certificate("sha1", "broker", issuer="ca", digest="sha1")
    for name, upper in (("below-late", "late"), ("below-broker", "broker")):
        write(name + ".crt", fg.read(name + ".crt") + fg.read(upper + ".crt"))
    openssl("ec", "-in", "broker.key", "-aes128", "-passout", "pass:x", "-out", "encrypted.key")


# -- who stands where the broker should --

class Wrong:
    """TLS with this certificate, and MQTT if it is taken: what comes then is in `told`."""

    def __init__(self, cert="broker", of="broker", version=None, client_ca=None, change=None):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.set_ciphers("ALL:@SECLEVEL=0")
            self.context.minimum_version = ssl.TLSVersion.TLSv1
            if version:
                self.context.minimum_version = self.context.maximum_version = version
        self.context.load_cert_chain(cert + ".crt", of + ".key")
        if client_ca:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(client_ca + ".crt")
        self.change = change or (lambda flight: flight)

    def __call__(self, door, sock, heard):
        taken, given = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.context.wrap_bio(taken, given, server_side=True)
        step = tls.do_handshake
        while True:
            try:
                got = step()
                if step == tls.do_handshake:
                    step = lambda: tls.read(65536)
                else:
                    if not got:
                        return
                    door.told += got
                    tls.write(b"\x20\x03\0\0\0")
            except ssl.SSLWantReadError:
                self.send(sock, given)
                data = heard(sock)
                if not data:
                    return
                taken.write(data)
            except ssl.SSLError:
                self.send(sock, given)
                # closed with something unread it would be reset, and the alert lost
                sock.shutdown(socket.SHUT_WR)
                while heard(sock):
                    pass
                return

    def send(self, sock, given):
        if given.pending:
            flight = given.read()
            sock.sendall(self.change(flight))
            if self.change is half:
                raise ConnectionAbortedError


class Raw:
    """Answers what comes first with these bytes, and ends."""

    def __init__(self, answer):
        self.answer = answer

    def __call__(self, door, sock, heard):
        if heard(sock):
            sock.sendall(self.answer)
            sock.shutdown(socket.SHUT_WR)
            while heard(sock):
                pass


class Right:
    """Passes everything on to a broker."""

    def __init__(self, port):
        self.port = port

    def __call__(self, door, sock, heard):
        with socket.create_connection(("127.0.0.1", self.port)) as there:
            back = threading.Thread(target=self.back, args=(there, sock), daemon=True)
            back.start()
            while data := heard(sock):
                there.sendall(data)
            there.shutdown(socket.SHUT_WR)
            back.join()

    @staticmethod
    def back(there, sock):
        try:
            while data := there.recv(65536):
                sock.sendall(data)
        except OSError:
            pass
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Door:
    """A port, who stands behind it, and the bytes of each connection that came."""

    def __init__(self, who):
        self.who, self.heard, self.told = who, [], b""
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            sock, _ = self.server.accept()
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        stream = bytearray()
        self.heard.append(stream)

        def heard(sock):
            data = sock.recv(65536)
            stream.extend(data)
            return data
        try:
            self.who(self, sock, heard)
        except OSError:
            pass
        finally:
            sock.close()

    def check_wire(self, name):
        """Nothing but records of TLS, which hold none of it."""
        fg.check(self.heard, f"{name}: nobody came")
        for stream in self.heard:
            data, at = bytes(stream), 0
            fg.check(not any(s.encode() in data for s in SECRETS), f"{name}: in the clear: {data}")
            while len(data) - at >= 5:
                kind, version, size = struct.unpack_from(">BHH", data, at)
                fg.check(20 <= kind <= 23 and version >> 8 == 3,
                         f"{name}: no TLS: {data[at:at + 40]}")
                at += 5 + size


def flipped(flight):
    """A byte within the ServerHello's random, the key or the certificate."""
    at = len(flight) * 2 // 3
    return flight[:at] + bytes([flight[at] ^ 0x20]) + flight[at + 1:]


def half(flight):
    return flight[:len(flight) // 2]


# name: (who stands there, what the gateway says of it, options)
REFUSED = {
    "expired": (lambda: Wrong("expired"), "certificate was refused: certificate has expired", {}),
    "not-yet": (lambda: Wrong("not-yet"),
                "certificate was refused: certificate is not yet valid", {}),
    "address": (lambda: Wrong("other-name"),
                "refused: IP address mismatch, it is not for 127.0.0.1", {}),
    "host": (lambda: Wrong("other-name"),
             "refused: hostname mismatch, it is not for localhost",
             {"host": "localhost"}),
    "server-name": (lambda: Wrong("other-name"),
                    "refused: hostname mismatch, it is not for cloud.example",
                    {"server_name": "cloud.example"}),
    "stranger": (lambda: Wrong("stranger"),
                 "refused: unable to get local issuer certificate", {}),
    "self-signed": (lambda: Wrong("self-signed"), "refused: self-signed certificate", {}),
    "no-middle": (lambda: Wrong("below-middle"),
                  "refused: unable to get local issuer certificate", {}),
    "late-issuer": (lambda: Wrong("below-late"),
                    r"refused: certificate has expired \(one above", {}),
    "no-issuer": (lambda: Wrong("below-broker"),
                  "refused: (invalid CA certificate|unable to get)", {}),
    "client": (lambda: Wrong("client"), "refused: unsu[a-z]+ certificate purpose", {}),
    "weak-key": (lambda: Wrong("weak", "weak"), "refused: EE certificate key too weak", {}),
    "sha1": (lambda: Wrong("sha1"),
             "refused: CA signature digest algorithm too weak", {}),
    "tls1.1": (lambda: Wrong(version=ssl.TLSVersion.TLSv1_1),
               "broker speaks only (older|other) versions of TLS", {}),
    "tls1.2": (lambda: Wrong(version=ssl.TLSVersion.TLSv1_2),
               "broker speaks only (older|other) versions of TLS", {"version": "1.3"}),
    "plain": (lambda: Right(fg.Broker("plain").port),
              "closed the connection within TLS|[Rr]eset", {}),
    "connack": (lambda: Raw(b"\x20\x03\0\0\0"),
                "the broker does not speak TLS as it should", {}),
    "web": (lambda: Raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            "the broker does not speak TLS here", {}),
    "hung-up": (lambda: Raw(b""), "closed the connection within TLS|[Rr]eset", {}),
    "alert": (lambda: Raw(b"\x15\3\3\0\2\2\x28"),
              "the broker refused TLS: .*handshake failure", {}),
    "truncated": (lambda: Wrong(change=half), "closed the connection within TLS|[Rr]eset", {}),
    "garbled": (lambda: Wrong(change=flipped), "TLS failed: |does not speak TLS", {}),
    "nobody": (lambda: Wrong(client_ca="ca"), "the broker refused TLS: ", {}),
    "other-client": (lambda: Wrong(client_ca="ca"), "the broker refused TLS: .*unknown ca",
                     {"cert": "self-signed.crt", "key": "broker.key"}),
}
SOUTH = ("expired", "address", "stranger", "client", "tls1.1", "plain")
# name: (options, what the gateway says, the file that is mended, by which)
FILES = {
    "no-ca": ({"ca": "f1.crt"}, "tls.ca .*f1.crt: No such file", "f1.crt", "ca.crt"),
    "bad-ca": ({"ca": "f2.crt"}, "tls.ca .*f2.crt: ", "f2.crt", "ca.crt"),
    "no-cert": ({"cert": "f3.crt", "key": "broker.key"}, "tls.cert .*f3.crt: No such file",
                "f3.crt", "broker.crt"),
    "no-key": ({"cert": "broker.crt", "key": "f4.key"}, "tls.key .*f4.key: No such file",
               "f4.key", "broker.key"),
    "other-key": ({"cert": "broker.crt", "key": "f5.key"}, "tls.key .*f5.key: key values mismatch",
                  "f5.key", "broker.key"),
    "locked-key": ({"cert": "broker.crt", "key": "f6.key"},
                   "tls.key .*f6.key: it has a pass phrase", "f6.key", "broker.key"),
    "open-key": ({"cert": "broker.crt", "key": "f7.key"},
                 r"tls.key .*f7.key: everybody may read it \(mode 0644\)", "f7.key", "broker.key"),
}


def link(door, host="127.0.0.1", version=None, **tls):
    paths = {k: os.path.abspath(v) if k in ("ca", "cert", "key") else v for k, v in tls.items()}
    paths.setdefault("ca", os.path.abspath("ca.crt"))
    if version:
        paths["version"] = version
    return {"type": "mqtt", "url": f"mqtts://{host}:{door.port}", "tls": paths, **LOGIN}


# -- DTLS --

def dtls(port, *args):
    command = ["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{port}", *args]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL)


def psk(identity, secret, version="-dtls1_2"):
    return (version, "-psk", secret.encode().hex(), "-psk_identity", identity,
            "-cipher", "PSK:@SECLEVEL=0")


def knock(port):
    """What is no DTLS, and ClientHellos that are none: no answer to any of them but alerts."""
    wire = fg.Coap(port)
    post = wire.request("intruder/value", CANARY.encode())
    hello = bytes.fromhex("16feff0000000000000000003c01000030") + bytes(56)
    for data in (post, b"", b"\x16", hello[:13], hello[:40], hello, hello + hello,
                 b"\x17" + hello[1:], hello[:13] + b"\xff" * 60, bytes(range(256)) * 4):
        wire.sock.send(data)
    return wire.sock


def strangers_at(port, drivers):
    """Of all who come to the DTLS server, one is taken."""
    wire = knock(port)
    wrong = [dtls(port, *how) for how in (
        psk("one", "another-key"), psk("two", SECRETS[3]), psk("one", SECRETS[3], "-dtls1"),
        ("-dtls1_2",), ("-dtls1_2", "-cipher", "aNULL:@SECLEVEL=0"))]
    for n, process in enumerate(wrong):
        try:
            process.stdin.write(fg.Coap.request(wire_counter(), f"intruder/v{n}", b"1"))
            process.stdin.flush()
        except BrokenPipeError:
            pass    # it was refused before, or (OpenSSL 3.5) offers no DTLS 1.0 by itself
    for process in wrong[1:]:
        fg.wait_for("an alert for the client", lambda p=process: p.poll() is not None)
    right = dtls(port, *psk("one", SECRETS[3]))
    right.stdin.write(fg.Coap.request(wire_counter(), "friend/v", b"7"))
    right.stdin.flush()
    answer = right.stdout.read(4)
    fg.equal(answer[:2], b"\x64\x44", "the answer to the one with the key")
    fg.equal(wrong[0].poll(), None, "an answer to the one with another key")
    wire.setblocking(False)
    try:
        while data := wire.recv(2048):
            fg.check(data[0] == 0x15 or data[0] == 0x16, f"not DTLS: {data}")
    except (BlockingIOError, ConnectionRefusedError):
        pass
    for process in (wrong[0], right):
        process.kill()
        process.wait()
    fg.equal(drivers()["secure"]["state"], "up", "the DTLS server")


def wire_counter():
    """What Coap.request() needs of a client."""
    wire_counter.mid += 1
    return wire_counter


wire_counter.mid = 0


def test_refusals():
    make_certificates()
    os.mkdir("secrets")
    write("secrets/up", SECRETS[2])
    write("secrets/device", SECRETS[3], 0o644)
    write("openssl.cnf", ANYTHING)
    write("f2.crt", "nothing of a certificate\n")
    write("f5.key", fg.read("ca.key"))
    write("f6.key", fg.read("encrypted.key"))
    write("f7.key", fg.read("broker.key"), 0o644)
    folder = os.getcwd()
    broker = fg.Broker("right", f"cafile {folder}/ca.crt\ncertfile {folder}/broker.crt\n"
                       f"keyfile {folder}/broker.key\nallow_anonymous true\n")
    right = Right(broker.port)
    north = {n: Door(who()) for n, (who, _, _) in REFUSED.items()}
    south = {n: Door(REFUSED[n][0]()) for n in SOUTH}
    doors = dict(north, **{f"field-{n}": d for n, d in south.items()})
    doors.update({n: Door(right) for n in FILES})
    says = {n: why for n, (_, why, _) in REFUSED.items()}
    says.update({n: why for n, (_, why, _, _) in FILES.items()})
    says.update({f"field-{n}": REFUSED[n][1] for n in SOUTH})
    bridges = {n: link(d, **REFUSED[n][2]) for n, d in north.items()}
    bridges.update({n: link(doors[n], **FILES[n][0]) for n in FILES})
    for name, bridge in bridges.items():
        bridge.update(topic="up/" + name, batch={"linger": "10ms"})
    ports = [fg.free_port(socket.SOCK_DGRAM) for _ in range(2)]
    drivers = {f"field-{n}": dict(link(d), subscribe=[f"d/{n}/+"]) for n, d in south.items()}
    drivers["things"] = {"type": "coap", "listen": f"coap://127.0.0.1:{ports[0]}"}
    drivers["secure"] = {"type": "coap", "listen": f"coaps://127.0.0.1:{ports[1]}",
                         "psk": {"one": {"secret": "device"}}}
    gateway = fg.Gateway({"drivers": drivers, "bridges": bridges},
                         env={"CREDENTIALS_DIRECTORY": folder + "/secrets",
                              "OPENSSL_CONF": folder + "/openssl.cnf"}).start()
    thing = fg.Coap(ports[0])
    for n in range(20):
        fg.equal(thing.post("thing", json.dumps({"text": CANARY, "n": n}), 50)[0], "2.04", "POST")

    def instances():
        status = gateway.status()
        return {**status["drivers"], **status["links"]}

    def refused():
        return all(instances()[n]["faults"] for n in says)
    fg.wait_for("everybody to be refused", refused)
    strangers_at(ports[1], instances)
    log, found = gateway.said(), instances()
    for name, why in says.items():
        fault = found[name]["fault"]
        fg.check(found[name]["state"] != "up" and re.search(why, fault or ""), f"{name}: {fault}")
        fg.check(re.search(f'name={name} msg="fault" what="[^"]*({why})', log),
                 f"{name}: not in the log")
    for name, door in doors.items():
        fg.equal(door.told, b"", f"{name}: what was told to the wrong one")
    accepted = 41
    ledger = fg.check_ledger(gateway.ledger())
    fg.equal({n: b["waiting"] for n, b in ledger["bridges"].items()},
             {n: accepted for n in bridges}, "what waits")

    context = fg.tls_context("ca.crt")
    collector = fg.Mqtt(broker.port, "collector", tls=context).subscribe("up/#")
    for door in doors.values():
        door.who = right
    for _, _, broken, whole in FILES.values():
        write(broken, fg.read(whole))
    for name in south:
        broker.wait_subscribed("gw-field-" + name)
        collector.publish(f"d/{name}/x", ["1"])
    fg.wait_for("the field", lambda: gateway.ledger()["accepted"] == accepted + len(south))
    ledger = gateway.wait_drained()
    for name in bridges:
        def lines(topic="up/" + name):
            return collector.payloads(topic)
        fg.wait_for("all packs", lambda: len(fg.records(lines())) >= ledger["accepted"])
        fg.audit(lines(), fg.until(ledger))
        fg.equal(fg.series(lines(), "n"), {"thing": list(range(20))}, name)
        fg.equal(fg.series(lines(), "v"), {"friend": [7]}, name)
    gateway.stop()
    fg.check_ledger(gateway.ledger())
    for name, door in doors.items():
        door.check_wire(name)
    for secret in SECRETS[1:]:
        fg.check(secret not in fg.read(gateway.log_path), f"{secret} in the log")
    return f"{len(says) + 15} refused"


def test_files():
    """What is said of files before anything runs; a doubt is no reason not to begin."""
    os.mkdir("secrets")
    write("secrets/up", SECRETS[2], 0o644)
    write("secrets/empty", "")
    write("open.key", "", 0o644)
    write("closed.key", "")
    environment = {"CREDENTIALS_DIRECTORY": os.path.abspath("secrets")}
    paths = {k: os.path.abspath(v) for k, v in
             {"ca": "nowhere.crt", "cert": "closed.key", "key": "open.key"}.items()}
    bridge = {"type": "mqtt", "url": "mqtts://127.0.0.1:1", "tls": paths, **LOGIN}
    gateway = fg.Gateway({"drivers": {}, "bridges": {"up": bridge}}, env=environment)
    done = check_as(gateway)
    for said in (r"/bridges/up/tls/ca: /.*/nowhere.crt: No such file",
                 r"/bridges/up/tls/key: /.*/open.key: everybody may read it \(mode 0644\)",
                 r"/bridges/up/password: secret \"up\": everybody may read its file"):
        fg.check(re.search("warning: " + said, done), f"no {said} in {done}")
    fg.check("closed.key" not in done, f"a doubt of what is all right: {done}")
    gateway.start().stop()
    for secret, why in (("none", "No such file"), ("empty", "empty or too long")):
        bridge["password"] = {"secret": secret}
        gateway.write()
        gateway.begin = len(fg.read(gateway.log_path))
        with open(gateway.log_path, "ab") as log:
            status = subprocess.run([fg.FIELDGATE, "run", "-c", gateway.conf], stderr=log,
                                    check=False, timeout=fg.DEADLINE_S, env=gateway.env).returncode
        fg.equal(status, 1, f"exit status with the secret {secret!r}: {gateway.said()}")
        fg.check(why in gateway.said(), f"{secret!r}: {gateway.said()}")
    fg.check(SECRETS[2] not in fg.read(gateway.log_path), "a secret in the log")


def check_as(gateway):
    done = subprocess.run([fg.FIELDGATE, "check", "-c", gateway.conf], capture_output=True,
                          check=False, timeout=fg.DEADLINE_S, env=gateway.env)
    text = done.stderr.decode()
    fg.equal(done.returncode, 0, "exit status of check: " + text)
    return text


fg.need("openssl", "mosquitto")
fg.main(globals())
