"""What a journal's events are worth: folded and priced in `decimal`, exactly or not at all."""

import json
import tomllib
from datetime import datetime, timedelta, timezone
from decimal import Context, Decimal, Inexact, InvalidOperation, Rounded

EXACT = Context(prec=400, traps=[Inexact, Rounded, InvalidOperation])
UNITS = {"GB": Decimal(10**9), "MB": Decimal(10**6), "byte": Decimal(1), "GiB": Decimal(2**30),
         "vCPU": Decimal(1), None: Decimal(1)}
SCALES = {"vcpu": 6}
PER_SECONDS = {"hour": 3600, "unit": 1}
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def seconds(text):
    """Whole seconds since 1970: rating floors each instant."""
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(seconds=1)


def times(*factors):
    product = Decimal(1)
    for factor in factors:
        product = EXACT.multiply(product, Decimal(factor))
    return product


def quantity(row):
    """In base units at the meter's decimals."""
    scale = Decimal(10 ** SCALES.get(row["meter"], 0))
    return times(Decimal(row["quantity"]), UNITS[row.get("unit")], scale)


def parse(text):
    """A native event, or None where the value is none."""
    try:
        event = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or "data" not in event:
        return None
    return event


def month(label):
    year, number = map(int, label.split("-"))
    start = datetime(year, number, 1, tzinfo=timezone.utc)
    after = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=timezone.utc)
    return (start - EPOCH) // timedelta(seconds=1), (after - EPOCH) // timedelta(seconds=1)


def usage(events, period):
    """(owner, meter) -> quantity (x seconds where it is held), of distinct events in any order."""
    first, last = month(period)
    lives, sums = {}, {}
    for event in events:
        lives.setdefault(event["data"]["resource"]["id"], []).append(event)

    def add(owner, meter, value):
        sums[owner, meter] = EXACT.add(sums.get((owner, meter), Decimal(0)), value)

    for life in lives.values():
        life.sort(key=lambda event: (datetime.fromisoformat(event["time"]),
                                     bool(event["data"].get("terminal")), event["source"],
                                     event["id"]))
        held, owner, since = {}, None, None
        end = {"time": None, "data": {}}
        for event in [*life, end]:
            data = event["data"]
            at = last if event["time"] is None else seconds(event["time"])
            for row in data.get("used", []):
                if first <= at < last:
                    add(data["owner"], row["meter"], quantity(row))
            if "used" in data:
                continue
            for meter, value in held.items():
                span = min(at, last) - max(since, first)
                if span > 0:
                    add(owner, meter, times(value, span))
            if data.get("terminal"):
                held = {}
            elif event is not end:
                held.update({row["meter"]: quantity(row) for row in data.get("held", [])})
            owner, since = data.get("owner", owner), at
    return sums


class Book:
    def __init__(self, path):
        with open(path, "rb") as file:
            book = tomllib.load(file)
        self.owners = {rule["owner"].removeprefix("native/"): account
                       for account in book["account"] for rule in account["owner"]}
        self.rates = {(tariff["id"], rate["meter"]): (tariff["currency"], rate)
                      for tariff in book["tariff"] for version in tariff["version"]
                      for rate in version["rate"]}

    def amounts(self, sums):
        """(account, meter, currency) -> (quantity, numerator, denominator), exactly."""
        found = {}
        for (owner, meter), value in sums.items():
            if not value:
                continue
            account = self.owners[owner]
            currency, rate = self.rates[account["tariff"], meter]
            below = times(UNITS[rate["unit"]], 10 ** SCALES.get(meter, 0),
                          PER_SECONDS[rate["per"]])
            key = (account["id"], meter, currency)
            before = found.get(key, (Decimal(0), Decimal(0), below))
            found[key] = (EXACT.add(before[0], value),
                          EXACT.add(before[1], times(value, Decimal(rate["price"]))), below)
        return found
