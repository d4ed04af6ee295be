#!/usr/bin/env python3
"""Writes random lives of resources as native events, in random order of arrival, for the test that
compares the engine with `oracle.py` on them.

    lives.py SEED RESOURCES > events.jsonl

Lives are as bad as sources make them: lost starts, late ends, audits that differ, counters that
start again, several events within a second, and events that are amended, retracted and reverted, also
in circles. Only what no rule decides is left out.
"""

import json
import random
import sys
from datetime import datetime, timedelta, timezone

FIRST = datetime(2026, 9, 20, tzinfo=timezone.utc)
DAYS = 50
STATES = ["active", "active", "paused", "stopped", "suspended", "shelved", "shelved-offloaded",
          "building", "error", "soft-deleted"]


def text(time):
    return time.isoformat().replace("+00:00", "Z")


class Lives:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.lines = []
        self.sent = []  # (id, resource, owner) of each line

    def within(self, seconds):
        return timedelta(seconds=self.random.randrange(1, seconds))

    def held(self):
        sizes = []
        if self.random.random() < 0.8:
            quantity = self.random.choice(["0", "0.5", "1", "2", "7.25"])
            sizes.append({"meter": "vcpu", "quantity": quantity})
        if self.random.random() < 0.5:
            sizes.append({"meter": "volume", "quantity": self.random.randrange(10**12)})
        return sizes

    def since(self, time):
        if self.random.random() > 0.35:
            return {}
        before = self.random.choice([0, 1, 60, 3600, 86400, self.random.randrange(20 * 86400)])
        micros = timedelta(microseconds=self.random.choice([0, 0, 123456]))
        return {"since": text(min(time, time.replace(microsecond=0) - timedelta(seconds=before) + micros))}

    def window(self, time):
        end = time.replace(microsecond=0) - timedelta(seconds=self.random.choice([0, 5, 1800]))
        length = self.random.choice([3600, 86400, self.random.randrange(1, 200_000)])
        return {"start": text(end - timedelta(seconds=length)), "end": text(end)}

    def event(self, time):
        """(kind, data) of something that happens to a resource."""
        what = self.random.choices(
            ["change", "stop", "end", "audit", "end audited", "consumed", "polled"],
            [5, 2, 2, 3, 1, 2, 2])[0]
        bytes_used = self.random.randrange(10**11)
        if what == "change":
            state = self.random.choice(STATES)
            return "transition", {"state": state, "held": self.held(), **self.since(time)}
        if what == "stop":
            return "transition", {"state": "stopped", **self.since(time)}
        if what == "end":
            return "transition", {"terminal": True, **self.since(time)}
        if what == "audit":
            state = self.random.choice(["active", "active", "stopped"])
            return "audit", {"state": state, "window": self.window(time), "held": self.held(),
                             **self.since(time)}
        if what == "end audited":
            return "audit", {"terminal": True, "window": self.window(time), "held": self.held(),
                             **self.since(time)}
        if what == "consumed":
            data = {"used": [{"meter": "egress", "quantity": bytes_used}]}
            if self.random.random() < 0.7:
                data["window"] = {"start": text(time - self.within(7200)), "end": text(time)}
            return "delta", data
        data = {"used": [{"meter": "egress", "quantity": bytes_used, "cumulative": True}]}
        if self.random.random() < 0.7:
            data["incarnation"] = self.random.choice(["boot-1", "boot-2"])
        return "snapshot", data

    def send(self, kind, resource, owner, time, data):
        about = {"resource": {"kind": "instance", "id": resource}, "owner": owner}
        if self.random.random() < 0.1:
            about["project"] = self.random.choice(["blue", "red"])
        if self.random.random() < 0.1:
            about["attributes"] = {"flavor": self.random.choice("abc")}
        self.write(kind, resource, owner, time, {**about, **data})

    def write(self, kind, resource, owner, time, data):
        name = f"e-{len(self.lines):05}"
        self.sent.append((name, resource, owner))
        self.lines.append(json.dumps({
            "specversion": "1.0", "id": name, "source": "/lives",
            "type": f"dev.turnpike.usage.{kind}.v1", "time": text(time), "data": data}))

    def correct(self, number):
        """Corrections of events and of corrections, a few of them of none and in circles."""
        first = len(self.sent)
        for _ in range(number):
            action = self.random.choices(["amend", "retract", "backfill", "revert"], [5, 2, 2, 4])[0]
            corrections = self.sent[first:]
            about = corrections if action == "revert" or self.random.random() < 0.3 else self.sent
            name, resource, owner = self.random.choice(about or self.sent)
            if self.random.random() < 0.1:
                # Of one that comes later, or never.
                name = f"e-{len(self.sent) + self.random.randrange(1, 4):05}"
            correction = {"action": action, "target": {"source": "/lives", "id": name}}
            time = FIRST + timedelta(microseconds=self.random.randrange(DAYS * 86_400_000_000))
            if action in ("retract", "revert"):
                self.write("correction", resource, owner, time, {"correction": correction})
                continue
            if action == "backfill":
                del correction["target"]
            kind, data = self.event(time)
            self.send(kind, resource, owner, time, {**data, "correction": correction})

    def life(self, resource):
        times = [FIRST + timedelta(microseconds=self.random.randrange(DAYS * 86_400_000_000))
                 for _ in range(self.random.randint(1, 9))]
        if self.random.random() < 0.3:
            times = [time.replace(microsecond=0) for time in times]
        if self.random.random() < 0.2:
            times.append(times[0])
        owner = self.random.choice(["t-0", "t-0", "t-1"])
        for time in times:
            if self.random.random() < 0.1:
                owner = self.random.choice(["t-0", "t-1"])
            kind, data = self.event(time)
            self.send(kind, resource, owner, time, data)

    def reported(self, resource):
        """A resource of a system that only reports how long it was held."""
        whole = self.random.random() < 0.3
        for _ in range(self.random.randint(1, 4)):
            day = FIRST + timedelta(days=self.random.randrange(DAYS))
            data = {"window": {"start": text(day), "end": text(day + timedelta(days=1))},
                    "held": [{"meter": "vcpu", "quantity": "3"}]}
            if not whole:
                data["seconds"] = self.random.randrange(86_401)
            self.send("interval", resource, "t-0", day + timedelta(days=1), data)


def main(seed, resources):
    lives = Lives(int(seed))
    for number in range(int(resources)):
        (lives.reported if number % 12 == 0 else lives.life)(f"i-{number}")
    lives.correct(int(resources))
    lives.random.shuffle(lives.lines)
    print("\n".join(lives.lines))


if __name__ == "__main__":
    main(*sys.argv[1:])
