#!/usr/bin/python3
"""steps.py DEB: does what docs/install.md says from the package on, in a Debian system that may be spoilt
(tests/deb/run makes one). systemd does not run there: what it would start is started as its unit
says; sudo and apt are asked as always, but everything is there already. The upstream is a broker of
the test's own."""
import os
import re
import shutil
import subprocess
import sys
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
FOLDER = "/root/steps"
SYSTEMCTL = """#!/bin/bash
# stands in for systemd
unit=/lib/systemd/system/fieldgate.service
setting() {
	sed -n "s/^$1=//p" $unit
}
case "$*" in
"restart fieldgate")
	pid=$(cat /run/gateway.pid)
	kill -TERM "$pid"
	while grep -q '^State:.[^Z]' "/proc/$pid/status" 2>/dev/null; do sleep 0.05; done
	;;
"status fieldgate") ;;
"enable --now mosquitto")
	mosquitto -d -p 1883 >/dev/null 2>&1
	exit
	;;
*) echo "systemctl $*: not known here"; exit 1 ;;
esac
for place in State:/var/lib Runtime:/run; do
	install -d -m "$(setting "${place%:*}DirectoryMode")" -o fieldgate -g fieldgate \\
		"${place#*:}/$(setting "${place%:*}Directory")"
done
: >/tmp/gateway.log
setpriv --reuid fieldgate --regid fieldgate --init-groups $(setting ExecStart) 2>/tmp/gateway.log </dev/null >/dev/null &
echo $! >/run/gateway.pid
until grep -q 'ready' /tmp/gateway.log; do
	kill -0 $! || exit 1
	sleep 0.05
done
"""
SUDO = """#!/bin/sh
if [ "$1" = -u ]; then
	user=$2
	shift 2
	exec setpriv --reuid "$user" --regid "$user" --init-groups "$@"
fi
exec "$@"
"""


def write(path, text, mode=0o644):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)


def fail(text):
    log = open("/tmp/gateway.log", encoding="utf-8").read() if os.path.exists("/tmp/gateway.log") else ""
    sys.exit(f"steps: FAILED: {text}\n{log}")


def run(block, quiet=False):
    if not quiet:
        print(f"steps: {block.strip()}", flush=True)
    done = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", block], cwd=FOLDER, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                          timeout=120)
    if done.returncode:
        fail(f"exit status {done.returncode} of\n{block}{done.stdout}")
    return done.stdout


def wait_for(what, condition):
    end = time.monotonic() + 40
    while not condition():
        if time.monotonic() > end:
            fail(f"{what}: not within 40 s")
        time.sleep(0.05)


def main():
    with open(SOURCE + "/docs/install.md", encoding="utf-8") as file:
        page = file.read()
    blocks = re.findall(r"^```sh\n(.*?)^```$", page, re.M | re.S)
    config = re.search(r"`gateway.json`:\n\n```json\n(.*?)^```$", page, re.M | re.S).group(1)
    os.makedirs(FOLDER)
    shutil.copy(sys.argv[1], FOLDER)
    write("/usr/local/bin/systemctl", SYSTEMCTL, 0o755)
    write("/usr/local/bin/sudo", SUDO, 0o755)
    os.environ["PATH"] = "/usr/local/bin:" + os.environ["PATH"]

    # the upstream of the page, without its certificate
    write("/tmp/upstream.conf", "listener 1884 127.0.0.1\nallow_anonymous false\npassword_file /tmp/passwd\n")
    subprocess.run(["mosquitto_passwd", "-c", "-b", "/tmp/passwd", "barn", "the password"], check=True,
                   stderr=subprocess.DEVNULL)
    os.chmod("/tmp/passwd", 0o644)
    write(FOLDER + "/gateway.json", config.replace("mqtts://broker.example:8883", "mqtt://127.0.0.1:1884"))
    with open("/tmp/upstream.jsonl", "wb") as records:
        broker = subprocess.Popen(["mosquitto", "-c", "/tmp/upstream.conf"], stderr=subprocess.DEVNULL)
        collector = subprocess.Popen(
            "until mosquitto_sub -C 1 -p 1884 -u barn -P 'the password' -q 1 -t fieldgate/barn/records; do sleep 0.1; "
            "done", shell=True, stdout=records, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        for block in blocks:
            said = run(block)
            if "audit" in block and "\ncomplete" not in said:
                fail("the proof of step 5: " + said)
        wait_for("a record acknowledged upstream", lambda: re.search(
            r'"cloud":\{"acknowledged":[1-9]\d*,"sent":0,"waiting":0,"dead":0,"dropped":\{\}', run("fieldgate ledger", quiet=True)))
        wait_for("the pack at the upstream", lambda: b"kitchen" in open("/tmp/upstream.jsonl", "rb").read())
        with open("/tmp/upstream.jsonl", encoding="utf-8") as file:
            print(f"steps: {len(blocks)} blocks; upstream: {file.readlines()[-1].strip()}")
    finally:
        os.killpg(collector.pid, 15)
        broker.terminate()


main()
