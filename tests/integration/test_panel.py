#!/usr/bin/python3
"""The hardware watchdog and the status LED, played by a FIFO and by files: fed while the loop turns,
told of a clean end and of no other; on, blinking, off."""
import os

from fg import Broker, Gateway, check, check_ledger, equal, main, need, read, wait_for

need("mosquitto")


class Panel:
    def __init__(self, name):
        self.led = os.path.abspath(name)
        os.mkdir(self.led)
        for file, text in (("trigger", "mmc0"), ("brightness", "")):
            with open(os.path.join(self.led, file), "w", encoding="utf-8") as out:
                out.write(text)
        self.watchdog = os.path.join(self.led, "watchdog")
        os.mkfifo(self.watchdog)
        self.fifo = os.open(self.watchdog, os.O_RDWR | os.O_NONBLOCK)

    def run(self):
        return {"led": self.led, "watchdog": self.watchdog}

    def fed(self):
        try:
            return os.read(self.fifo, 4096)
        except BlockingIOError:
            return b""

    def brightness(self):
        return read(os.path.join(self.led, "brightness"))


def test_panel():
    panel, upstream = Panel("led"), Broker("upstream")
    gw = Gateway({"bridges": {"up": {"type": "mqtt", "url": f"mqtt://127.0.0.1:{upstream.port}"}}})
    gw.config["run"].update(panel.run())
    gw.write()
    gw.start()
    equal(read(os.path.join(panel.led, "trigger"))[:4], "none", "trigger")
    wait_for("the LED to be on", lambda: panel.brightness().startswith("255"))
    equal(panel.fed(), b"\1", "fed once at first")
    upstream.stop()
    wait_for("it to go off", lambda: panel.brightness().startswith("0"))
    wait_for("and on again: it blinks", lambda: panel.brightness().startswith("255"))
    gw.stop()
    check(panel.brightness().startswith("0"), "it is on after the end")
    equal(panel.fed()[-1:], b"V", "a clean end")
    check_ledger(gw.ledger())
    gw.start()
    wait_for("the watchdog to be fed", panel.fed)
    gw.kill()
    equal(panel.fed(), b"", "a gateway that was killed says nothing")


def test_missing():
    """A gateway without its LED still works."""
    gw = Gateway({"bridges": {}}, name="missing")
    gw.config["run"].update(led="no-such-led", watchdog="/nonexistent/watchdog")
    gw.write()
    gw.start()
    check("no-such-led" in gw.said() and "/nonexistent/watchdog" in gw.said(), gw.said())
    gw.stop()


main(globals())
