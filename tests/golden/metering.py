"""Metering for `oracle.py`: the events of one resource -> stretches held and quantities consumed."""

NOBODY = {"held": {}, "attributes": {}, "owner": None, "project": None, "site": None,
          "region": None}


def merged(old, event, state):
    """What is held once `event` is true: given values replace, the rest stays."""
    new = {name: event[name] if event[name] is not None else old[name]
           for name in ("owner", "project", "site", "region")}
    new["state"] = state
    new["held"] = {**old["held"], **event["held"]}
    new["attributes"] = {**old["attributes"], **event["attributes"]}
    return new


class Meter:
    """Folds the events of one resource, in order, into stretches and consumptions."""

    def __init__(self):
        self.stretches = []  # (start, end or None, holding), microseconds
        self.consumed = []  # (counted at, meter, quantity, holding, (start, end) of its report or None)
        self.aggregated = []  # (counted at, seconds held, holding, (start, end) of its report)
        self.holding = None
        self.met = NOBODY  # who was last heard to hold it, also before and after a life
        self.start = None
        self.begun = None  # since when the present life or size is, where an event said so itself
        self.evidence = None
        self.ended = None
        self.readings = {}

    def change(self, at, holding):
        if self.holding is not None and at > self.start:
            self.stretches.append((self.start, at, self.holding))
        self.holding, self.start = holding, at
        self.met = holding or self.met  # who held it is known after the end, too

    def finish(self):
        if self.holding is not None:
            self.stretches.append((self.start, None, self.holding))
        return self

    def begin(self, event, at, state):
        """A life begins. Its owner and place are known from before; attributes end with a life."""
        attributes = self.met["attributes"] if self.ended is None else {}
        at = at if self.ended is None else max(at, self.ended)
        self.change(at, merged({**self.met, "attributes": attributes, "held": {}}, event, state))
        self.evidence, self.begun = at, None

    def of_before(self, event):
        """Tells of a life or size that another event has replaced: it names an earlier start."""
        if self.begun is None or event["since"] is None or self.holding is None:
            return False
        audit = event["kind"] == "audit" and not event["terminal"]
        earlier = event["since"] // 1_000_000 < self.begun // 1_000_000
        return earlier and (audit or event["terminal"] and event["time"] <= self.begun)

    def heal_building(self, event):
        """The event that it came into service was lost."""
        if (self.holding or {}).get("state") == "building" and event["since"] is not None \
                and event["state"] != "building":
            at = min(max(event["since"], self.evidence), event["time"])
            self.change(max(at, self.start), {**self.holding, "state": "active"})

    def stale(self, event):
        """Speaks of a life that is already over."""
        if self.ended is None or self.holding is not None:
            return False
        if event["since"] is not None:
            if event["kind"] == "audit" and not event["terminal"]:
                return event["since"] <= self.ended
            return event["since"] < self.ended
        if event["terminal"]:
            return True
        return (event["window"][0] if event["kind"] == "audit" else event["time"]) < self.ended

    def apply(self, event):
        kind = event["kind"]
        sized = event["state"] or event["held"] or self.holding is not None
        if kind in ("delta", "interval") or not (event["terminal"] or sized):
            # Where nothing is held, whoever is named is who the resource belongs to.
            if self.holding is not None and not self.holding["held"]:
                self.change(self.start, merged(self.holding, {**event, "held": {}},
                                               self.holding["state"]))
            elif self.holding is None and self.ended is None:
                self.met = merged(self.met, {**event, "held": {}}, None)
            self.aggregate(event)
        elif self.stale(event) or self.of_before(event) and event["terminal"]:
            event = {**event, "used": [row for row in event["used"] if not row[2]]}
        else:
            if not self.of_before(event):
                self.heal_building(event)
                (self.audit if kind == "audit" else self.transition)(event)
            if not event["terminal"]:
                seen = event["window"][1] if kind == "audit" else event["time"]
                self.evidence = max(self.evidence, min(seen, event["time"]))
                if kind != "audit" and event["since"] == event["time"]:
                    self.begun = event["time"]
        self.count(event)

    def transition(self, event):
        at, since = event["time"], event["since"]
        if self.holding is None and (event["terminal"] or since is not None and since < at):
            before = "building" if event["state"] == "building" else "active"
            self.begin(event, at if since is None else min(since, at), before)
        if event["terminal"]:
            self.met = merged(self.holding or self.met, event, None)
            self.change(at, None)
            self.ended, self.readings = at, {}
        elif self.holding is None:
            self.begin(event, at, event["state"] or "active")
        else:
            self.evidence = max(self.evidence, at)
            self.change(at, merged(self.holding, event, event["state"] or self.holding["state"]))

    def audit(self, event):
        from_window = event["window"][0] if event["since"] is None else event["since"]
        if self.holding is None:
            if event["terminal"]:
                self.transition({**event, "since": from_window})
            else:
                at = min(from_window, event["time"])
                self.begin(event, at, event["state"] or "active")
            return
        state = self.holding["state"] if event["terminal"] else event["state"]
        now = merged(self.holding, event, state or self.holding["state"])
        if now != self.holding:
            at = max(event["window"][0], self.evidence, from_window, self.start)
            self.change(min(at, event["time"]), now)
        if event["terminal"]:
            self.transition(event)

    def aggregate(self, event):
        """What an interval says was held stands for itself; it begins no life."""
        if event["kind"] != "interval":
            return
        start, end = event["window"]
        holding = merged(self.holding or self.met, event, event["state"] or "active")
        holding["held"] = event["held"]
        if event["seconds"] is None:
            self.stretches.append((start, end, holding))
        else:
            self.aggregated.append((event["time"], event["seconds"], holding, (start, end)))

    def count(self, event):
        """What was consumed belongs to whom the report names, else to whom the resource does."""
        holding = merged(self.holding or self.met, {**event, "held": {}}, "active")
        for meter, quantity, cumulative in event["used"]:
            at, report = event["time"], event["window"]
            if cumulative:
                last = self.readings.get(meter)
                self.readings[meter] = (event["incarnation"], quantity, event["time"])
                if last is None:
                    continue
                if last[0] == event["incarnation"] and quantity >= last[1]:
                    quantity -= last[1]
                at, report = event["time"] - 1, (last[2], event["time"])  # from reading to reading
            self.consumed.append((at, meter, quantity, holding, report))


def metered(events):
    """Stretches and consumptions per resource, whatever order the events came in."""
    resources = {}
    for event in events:
        if event["resource"] is not None:
            resources.setdefault(event["resource"], []).append(event)
    result = {}
    for resource, own in resources.items():
        meter = Meter()
        for event in sorted(own, key=lambda e: (e["time"], e["rank"], e["key"])):
            meter.apply(event)
        result[resource] = meter.finish()
    return result
