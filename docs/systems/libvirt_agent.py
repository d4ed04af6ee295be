#!/usr/bin/env python3
"""Reports the domains of one libvirt host as JSON lines, in the shape that docs/systems/libvirt.md gives.

    libvirt_agent.py --uri qemu:///system                          # until it is ended
    libvirt_agent.py --uri test:///default --seconds 5 --exercise  # drives a domain of the test driver

Lines go to standard output; to bring them to a topic, pipe them into a producer. Needs python3-libvirt.
"""

import argparse
import json
import platform
import sys
import threading
import time
from decimal import Decimal

import libvirt

EVENTS = ["Defined", "Undefined", "Started", "Suspended", "Resumed", "Stopped", "Shutdown", "PMSuspended",
          "Crashed"]
STOPPED_MIGRATED = 3
# The element of a domain's metadata that names who holds it: <holder xmlns="urn:turnpike:holder">c-1</holder>
HOLDER = "urn:turnpike:holder"
STATS = (libvirt.VIR_DOMAIN_STATS_STATE | libvirt.VIR_DOMAIN_STATS_CPU_TOTAL | libvirt.VIR_DOMAIN_STATS_BALLOON
         | libvirt.VIR_DOMAIN_STATS_VCPU | libvirt.VIR_DOMAIN_STATS_INTERFACE | libvirt.VIR_DOMAIN_STATS_BLOCK)
DOMAIN = """<domain type='test'><name>turnpike-exercise</name>
<uuid>7e570000-0000-4000-8000-000000000001</uuid><memory unit='KiB'>2097152</memory>
<currentMemory unit='KiB'>1048576</currentMemory><vcpu current='2'>4</vcpu><os><type>hvm</type></os></domain>"""


def now():
    return str(Decimal(time.time_ns()) / 10**9)


class Agent:
    def __init__(self, connection, uri, host, owner):
        self.connection, self.uri, self.host, self.owner = connection, uri, host, owner
        self.moved = set()
        self.lock = threading.Lock()

    def holder(self, domain):
        try:
            text = domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, HOLDER)
            return text.partition(">")[2].partition("<")[0].strip() or self.owner
        except libvirt.libvirtError:
            return self.owner

    def say(self, kind, domain, at=None, **more):
        line = {"kind": kind, "observed_at": at or now(), "uri": self.uri, "host": self.host,
                "uuid": domain.UUIDString(), "name": domain.name(), **more}
        if domain.ID() >= 0:
            line["domain_id"] = domain.ID()
        holder = self.holder(domain)
        if holder:
            line["owner"] = holder
        with self.lock:
            print(json.dumps(line), flush=True)

    def heard(self, _connection, domain, event, detail, _opaque):
        uuid = domain.UUIDString()
        if EVENTS[event] == "Stopped":
            (self.moved.add if detail == STOPPED_MIGRATED else self.moved.discard)(uuid)
        elif EVENTS[event] == "Started":
            self.moved.discard(uuid)
        more = {"migrated": True} if uuid in self.moved else {}
        self.say("lifecycle", domain, event=EVENTS[event], event_id=event, detail=detail, **more)
        if EVENTS[event] == "Started":
            self.size(domain)

    def size(self, domain):
        """A domain that starts says its sizes at once; later ones are polled."""
        at = now()
        try:
            self.say("info", domain, at, info=domain.info())
        except libvirt.libvirtError as error:
            print(error, file=sys.stderr)

    def poll(self):
        # The time before the poll: what happens meanwhile must not seem to lie before it.
        at = now()
        for domain, stats in self.connection.getAllDomainStats(STATS):
            try:
                # Not every driver counts the memory and the virtual CPUs among its statistics.
                if "vcpu.current" not in stats or "balloon.current" not in stats:
                    self.say("info", domain, at, info=domain.info())
                self.say("domstats", domain, at, stats=stats)
            except libvirt.libvirtError as error:
                print(error, file=sys.stderr)  # it has ended meanwhile, and its event says so


def exercise(connection, pause):
    """A whole life of a domain: for the test driver, which keeps it in its memory."""
    domain = connection.defineXML(DOMAIN)
    for step in (domain.create, domain.suspend, domain.resume, domain.shutdown, domain.create, domain.destroy,
                 domain.undefine):
        pause()
        step()
    pause()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uri", default="qemu:///system")
    parser.add_argument("--seconds", type=float, help="end after so many seconds (by default never)")
    parser.add_argument("--interval", type=float, default=300, help="seconds from poll to poll")
    parser.add_argument("--host", default=platform.node(), help="how this host is called")
    parser.add_argument("--owner", help="who holds domains whose metadata names nobody")
    parser.add_argument("--exercise", action="store_true", help="drive a domain through a life (test driver only)")
    arguments = parser.parse_args()
    if arguments.exercise and not arguments.uri.startswith("test:"):
        parser.error("--exercise is for the test driver")

    libvirt.registerErrorHandler(lambda *_: None, None)  # errors are raised; no need to print them too
    libvirt.virEventRegisterDefaultImpl()
    connection = libvirt.open(arguments.uri)
    agent = Agent(connection, arguments.uri, arguments.host, arguments.owner)
    connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, agent.heard, None)

    def loop():
        while True:
            libvirt.virEventRunDefaultImpl()

    threading.Thread(target=loop, daemon=True).start()
    if not arguments.uri.startswith("test:"):
        connection.setKeepAlive(5, 3)
    end = None if arguments.seconds is None else time.monotonic() + arguments.seconds
    agent.poll()
    if arguments.exercise:
        exercise(connection, lambda: (time.sleep(0.2), agent.poll()))
    while end is None or time.monotonic() < end:
        rest = arguments.interval if end is None else min(arguments.interval, end - time.monotonic())
        time.sleep(max(rest, 0))
        agent.poll()
    connection.close()


if __name__ == "__main__":
    main()
