"""The usage of one case of `tariffs.py`, as native events of all five kinds: lives that begin before the
month and end after it, resizes, stops, lost ends, reports, counters that start again, corrections."""

import json
from datetime import datetime, timedelta, timezone

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def text(micros):
    return (EPOCH + timedelta(microseconds=micros)).isoformat().replace("+00:00", "Z")


class Life:
    def __init__(self, maker, number, meters):
        self.maker, self.random = maker, maker.random
        self.meters = meters
        self.id = f"r-{maker.name}-{number}"
        self.kind = self.random.choice(["instance", "instance", "bucket"])
        self.project = self.random.choice(maker.projects)
        self.site = self.random.choice(["s1", "s2"])
        self.region = self.random.choice(["north", "south"])
        self.attributes = {name: self.random.choice(values)
                           for name, values in maker.attributes.items()}
        self.lines = []

    def held(self, share=1.0):
        found = []
        for meter in self.meters["held"]:
            if self.random.random() > share:
                continue
            quantity = {"vcpu": ["0", "0.5", "1", "2", "7.25", "16"], "public-ip": ["1", "2"]}.get(meter)
            quantity = self.random.choice(quantity) if quantity else str(
                self.random.choice([1 << 30, 5 << 30, 10**9, self.random.randrange(1, 10**12)]))
            found.append({"meter": meter, "quantity": quantity})
        return found

    def used(self):
        meter = self.random.choice(self.meters["sum"])
        most = 60 * 10**9 if meter == "egress" else 5_000
        number = self.random.choice([0, 1, 10**9 if meter == "egress" else 10, most // 2,
                                     self.random.randrange(1, most)])
        if self.maker.negative and self.random.random() < 0.3:
            number = -number
        return {"meter": meter, "quantity": str(number)}

    def send(self, kind, time, data, correction=None):
        """Who it is about is said with every event, so that no order of arrival matters."""
        about = {"resource": {"kind": self.kind, "id": self.id},
                 "owner": f"o-{self.maker.name}", "project": self.project, "site": self.site,
                 "region": self.region}
        name = f"{self.id}-{len(self.lines)}"
        if correction:
            data = {**data, "correction": correction}
        self.lines.append(json.dumps({
            "specversion": "1.0", "id": name, "source": "/cases", "time": text(time),
            "type": f"dev.turnpike.usage.{kind}.v1", "data": {**about, **data}}))
        return name

    def changed_attributes(self, chance):
        for name, values in self.maker.attributes.items():
            if self.random.random() < chance:
                self.attributes[name] = self.random.choice(values)
        return {"attributes": dict(self.attributes)} if self.attributes else {}

    def live(self, times):
        """A life: a start, changes, and mostly an end."""
        sent = []
        for number, time in enumerate(times):
            last = number + 1 == len(times)
            if number == 0:
                data = {"state": "active", "held": self.held(), **self.changed_attributes(0)}
            elif last and self.random.random() < 0.7:
                data = {"terminal": True}
            else:
                data = self.change(time)
            kind = "audit" if "window" in data else self.random.choice(["transition"] * 5 + ["snapshot"])
            sent.append((self.send(kind, time, data), time))
            if self.random.random() < 0.05:
                self.correct(*sent[-1])

    def change(self, time):
        what = self.random.random()
        if what < 0.35:
            return {"state": self.random.choice(["stopped", "paused", "suspended", "shelved", "active"])}
        if what < 0.8:
            return {"state": "active", "held": self.held(0.7), **self.changed_attributes(0.4)}
        if what < 0.9:
            self.project = self.random.choice(self.maker.projects)
            return {"state": "active"}
        window = {"start": text(time - 3_600_000_000), "end": text(time)}
        return {"state": "active", "window": window, "held": self.held(0.7)}

    def correct(self, name, time):
        target = {"source": "/cases", "id": name}
        if self.random.random() < 0.5:
            self.send("transition", time, {"state": "active", "held": self.held()},
                      {"action": "amend", "target": target})
        else:
            self.lines.append(json.dumps({
                "specversion": "1.0", "id": name + "-x", "source": "/cases", "time": text(time),
                "type": "dev.turnpike.usage.correction.v1",
                "data": {"correction": {"action": "retract", "target": target}}}))

    def consume(self, times):
        for time in times:
            data = {"used": [self.used()], **self.changed_attributes(0.6)}
            kind = "delta"
            if self.random.random() < 0.25 and not data["used"][0]["quantity"].startswith("-"):
                kind = "snapshot"
                data["used"][0]["cumulative"] = True
                data["incarnation"] = self.random.choice(["boot-1", "boot-2"])
            elif self.random.random() < 0.4:
                length = self.random.randrange(1, 7200) * 1_000_000
                data["window"] = {"start": text(time - length), "end": text(time)}
            self.send(kind, time, data)

    def report(self, times):
        """A source that only says how long something was held."""
        whole = self.maker.levels or self.random.random() < 0.5
        for time in times:
            time = time // 1_000_000 * 1_000_000
            data = {"window": {"start": text(time - 7_200_000_000), "end": text(time)},
                    "held": self.held(), **self.changed_attributes(0.4)}
            if not whole:
                data["seconds"] = self.random.choice([1, 3_600, 7_200])
            self.send("interval", time, data)


def times_of(maker, number, margin):
    """Instants around the month, none twice in a case."""
    start, end = maker.calendar.start - margin, maker.calendar.end + margin
    found = []
    for _ in range(number):
        if maker.random.random() < 0.2:
            at = maker.inside() * 1_000_000
        else:
            at = maker.random.randrange(start, end) * 1_000_000
            at += maker.random.choice([0, 0, 123_456, maker.random.randrange(1_000_000)])
        if at not in maker.taken:
            maker.taken.add(at)
            found.append(at)
    return sorted(found)


def of(maker):
    import tariffs
    maker.taken = set()
    meters = {"held": [meter for meter in maker.meters if meter in tariffs.HELD],
              "sum": [meter for meter in maker.meters if meter in tariffs.SUMS]}
    lines = []
    if maker.random.random() < 0.06:
        return lines
    for number in range(maker.random.randint(1, 3)):
        life = Life(maker, number, meters)
        if meters["held"] and maker.random.random() < 0.15:
            life.report(times_of(maker, maker.random.randint(1, 4), 20_000)[::3])
        elif meters["held"]:
            life.live(times_of(maker, maker.random.randint(1, 6), 86400 * 10))
        if meters["sum"]:
            life.consume(times_of(maker, maker.random.randint(1, 6), 86400 * 3))
        lines += life.lines
    return lines
