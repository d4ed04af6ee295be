"""Reads the events of a golden case for `oracle.py`: native CloudEvents, and OpenStack notifications
in oslo.messaging envelopes, as whole numbers in the base unit of each meter.

Formats of other systems it cannot read. A case of those holds `native.jsonl`, the same usage written by
hand as native events, one for each row that the adapter has to make; that is read instead."""

import json
from datetime import datetime, timezone
from fractions import Fraction

import corrections

MIB, GIB = 1 << 20, 1 << 30
BYTES = {"byte": 1, "KiB": 1 << 10, "MiB": MIB, "GiB": GIB, "TiB": 1 << 40,
         "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
# meter: (service, decimals stored, aggregation, hold class, units as multiples of the base unit)
METERS = {
    "vcpu": ("Compute", 6, "held", "running", {"vCPU": 1}),
    "memory": ("Compute", 0, "held", "running", BYTES),
    "instance": ("Compute", 0, "held", "running", {"instance": 1}),
    "cpu-mhz": ("Compute", 6, "held", "running", {"MHz": 1, "GHz": 1000}),
    "root-disk": ("Storage", 0, "held", "allocated", BYTES),
    "ephemeral-disk": ("Storage", 0, "held", "allocated", BYTES),
    "volume": ("Storage", 0, "held", "existing", BYTES),
    "volume-physical": ("Storage", 0, "held", "existing", BYTES),
    "snapshot": ("Storage", 0, "held", "existing", BYTES),
    "backup": ("Storage", 0, "held", "existing", BYTES),
    "backup-physical": ("Storage", 0, "held", "existing", BYTES),
    "image": ("Storage", 0, "held", "existing", BYTES),
    "object-storage": ("Storage", 0, "held", "existing", BYTES),
    "object-storage-physical": ("Storage", 0, "held", "existing", BYTES),
    "objects": ("Storage", 0, "held", "existing", {"object": 1, "1000 objects": 1000}),
    "cpu-time": ("Compute", 9, "sum", "existing", {"second": 1, "hour": 3600}),
    "disk-io": ("Storage", 0, "sum", "existing", BYTES),
    "disk-ops": ("Storage", 0, "sum", "existing", {"operation": 1, "million operations": 10**6}),
    "requests": ("Storage", 0, "sum", "existing",
                 {"request": 1, "1000 requests": 1000, "10000 requests": 10_000,
                  "million requests": 10**6}),
    "egress": ("Network", 0, "sum", "existing", BYTES),
    "ingress": ("Network", 0, "sum", "existing", BYTES),
    "public-ip": ("Network", 0, "held", "existing", {"address": 1}),
    "load-balancer": ("Network", 0, "held", "existing", {"load balancer": 1}),
    "db-instance": ("Database", 0, "held", "running", {"instance": 1}),
    "db-storage": ("Database", 0, "held", "existing", BYTES),
}
# Stored at six decimals where nobody has declared the meter.
UNDECLARED = ("", 6, "held", "existing", {})


class Unreadable(ValueError):
    pass


def micros(text):
    """Microseconds since 1970; a time without an offset is UTC."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        time = time.replace(tzinfo=timezone.utc)
    delta = time - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def stored(meter, quantity, unit, meters):
    """A quantity in base units at the meter's decimals, exactly."""
    _, scale, _, _, units = meters.get(meter, UNDECLARED)
    factor = 1 if unit is None else units.get(unit)
    if factor is None:
        raise Unreadable(f"unit {unit} of {meter}")
    value = Fraction(str(quantity)) * factor * 10**scale
    if value.denominator != 1 or not 0 <= value < 2**63:
        raise Unreadable(f"quantity {quantity} of {meter}")
    return int(value)


EMPTY = {"owner": None, "project": None, "site": None, "region": None, "state": None,
         "since": None, "window": None,
         "seconds": None, "incarnation": None, "terminal": False, "held": {}, "used": [],
         "attributes": {}, "resource": None, "twin": None, "correction": None}


def correction(message):
    """What an event changes: (action, key of the event that it names)."""
    given = message["data"].get("correction")
    if given is None:
        return None
    target = given.get("target")
    return given["action"], target and target["source"] + "\x1f" + target["id"]


def native(message, meters):
    data = message["data"]
    namespace = data.get("namespace", "native")
    kind = message["type"].split(".")[-2]
    if kind == "correction":
        return {**EMPTY, "key": message["source"] + "\x1f" + message["id"], "kind": kind,
                "time": micros(message["time"]), "correction": correction(message)}
    window = data.get("window")
    window = window and (micros(window["start"]), micros(window["end"]))
    time = micros(message["time"]) if message.get("time") else window[1]
    if window and kind in ("delta", "interval"):
        time = max(window[1] - 1, window[0])  # its report is complete when the window ends
    owner = data.get("owner")
    return {
        **EMPTY,
        "key": message["source"] + "\x1f" + message["id"],
        "kind": kind,
        "resource": f"{namespace}/{data['resource']['kind']}/{data['resource']['id']}",
        "owner": owner and f"{namespace}/{owner}",
        "project": data.get("project"),
        "site": data.get("site"),
        "region": data.get("region"),
        "state": data.get("state"),
        "terminal": data.get("terminal", False),
        "time": time,
        "since": micros(data["since"]) if data.get("since") else None,
        "window": window,
        "seconds": data.get("seconds"),
        "incarnation": data.get("incarnation"),
        "held": {row["meter"]: stored(row["meter"], row["quantity"], row.get("unit"), meters)
                 for row in data.get("held", [])},
        "used": [(row["meter"], stored(row["meter"], row["quantity"], row.get("unit"), meters),
                  row.get("cumulative", False)) for row in data.get("used", [])],
        "attributes": data.get("attributes", {}),
        "correction": correction(message),
    }


def read_line(text, meters):
    """The events of a record."""
    try:
        message = json.loads(text, parse_float=str, parse_int=str)
        if "oslo.message" in message:
            import openstack
            inner = json.loads(message["oslo.message"], parse_float=str, parse_int=str)
            events = openstack.adapted(inner)
        else:
            if "seconds" in message["data"]:
                message["data"]["seconds"] = int(message["data"]["seconds"])
            events = [native(message, meters)]
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(str(error)) from error
    for event in events:
        event["rank"] = 2 if event["terminal"] else 1 if event["kind"] == "audit" else 0
    return events


def payloads(case):
    """What a case sends, in order: the lines of a file, or the values of Kafka records."""
    native = case / "native.jsonl"
    files = [native] if native.exists() else sorted(case.glob("events*.jsonl"))
    if files:
        return [line for file in files for line in file.read_text().splitlines() if line.strip()]
    records = (case / "records.jsonl").read_text().splitlines()
    return [json.loads(record).get("value", "") for record in records]


def verdict(event, seen, forms):
    """Identity first; then an action that was sent in another form before."""
    if event["key"] in seen:
        return "duplicate" if seen[event["key"]] == event else "conflict"
    seen[event["key"]] = event
    if event["twin"] is not None:
        action, form = event["twin"]
        if forms.setdefault(action, form) != form:
            return "duplicate"
    return "accepted"


def read(case, meters):
    """The events that count, in arrival order, and what became of every record: each of its events
    is counted, a dead letter as one."""
    counts = dict.fromkeys(("read", "accepted", "duplicate", "conflict", "dead"), 0)
    seen, forms, events = {}, {}, []
    for line in payloads(case):
        try:
            found = read_line(line, meters)
        except Unreadable:
            counts["read"] += 1
            counts["dead"] += 1
            continue
        for event in found:
            counts["read"] += 1
            fate = verdict(event, seen, forms)
            counts[fate] += 1
            if fate == "accepted":
                events.append(event)
    return corrections.applied(events), counts
