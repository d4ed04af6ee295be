"""Random tariffs and usages for `rating.py`: a book with an account and a tariff of its own for each
case, and the events of all of them in one file, in random order.

Only what no definition decides is left out. `TURNPIKE_ORACLE_FEATURES` (words of FEATURES, separated by
commas) narrows what is made up."""

import json
import os
import random
from datetime import datetime, timedelta, timezone
from fractions import Fraction

import usage
import wire

FEATURES = {"versions", "conditions", "places", "names", "times", "windows", "pools", "rounding", "tiers", "packages",
            "percentages", "blocks", "series", "dynamic", "matrix", "hashmap", "levels", "fees",
            "allowances", "adjustments", "holding", "base", "derived", "measures", "detail", "gaps",
            "zero", "assignments", "owners", "capacity", "scopes", "negative"}
MONTHS = ["2026-10", "2026-03", "2024-02", "2026-11", "2025-04", "2026-09", "2026-01"]
ZONES = ["UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe",
         "America/St_Johns", "Pacific/Chatham", "Africa/Casablanca", "Pacific/Kiritimati",
         "Pacific/Marquesas", "America/Santiago", "Asia/Tehran", "Africa/Cairo"]
CURRENCIES = ["EUR", "EUR", "JPY", "KWD", "CLF"]
HELD = {"vcpu": ["vCPU"], "memory": ["GiB", "MB"], "volume": ["GiB", "TB", "byte"],
        "public-ip": ["address"]}
SUMS = {"egress": ["GB", "GiB", "MB"], "requests": ["request", "1000 requests"]}
# Meters of another one: (of, measure and its settings, unit where it is its own).
MEASURED = {
    "egress-p95": ("egress", {"measure": "percentile", "percent": 95, "window": "1h"}, None),
    "egress-peak": ("egress", {"measure": "peak", "window": "6h"}, None),
    "egress-max": ("egress", {"measure": "max", "over": "project"}, None),
    "requests-count": ("requests", {"measure": "count"}, "event"),
    "requests-latest": ("requests", {"measure": "latest", "over": "resource"}, None),
    "vcpu-max": ("vcpu", {"measure": "max"}, None),
    "vcpu-p50": ("vcpu", {"measure": "percentile", "percent": 50, "window": "1h", "over": "project"},
                 None),
    "vcpu-count": ("vcpu", {"measure": "count"}, "holding"),
    "vcpu-latest": ("vcpu", {"measure": "latest"}, None),
    "volume-peak": ("volume", {"measure": "peak", "window": "1h", "over": "site"}, None),
    "volume-unique": ("volume", {"measure": "unique"}, "resource"),
    "requests-unique": ("requests", {"measure": "unique", "attribute": "flavor"}, "flavor"),
}
PRICES = ["0.0416", "0.05", "0.0052", "12", "0.3", "0.000000001", "0.07", "1.5", "0", "0.123456789"]
FLATS = ["0", "2", "10", "0.35"]
STATES = ["active", "active", "active", "paused", "stopped", "suspended", "shelved"]




def chosen():
    words = os.environ.get("TURNPIKE_ORACLE_FEATURES")
    return FEATURES if words is None else set(words.split(",")) - {""}


def iso(second):
    return datetime.fromtimestamp(second, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(inner)}"
                                for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def usage_service(meter):
    of = MEASURED.get(meter, (meter,))[0]
    return wire.METERS.get("vcpu" if of == "sold-mips" else of)[0]


def table(name, row, below=()):
    lines = [f"[[{name}]]"] + [f"{key} = {toml(value)}" for key, value in row.items()
                               if key not in below]
    return "\n".join(lines) + "\n"


class Maker:
    """One case: a tariff (with a base, where it has one), an account and its usage."""

    def __init__(self, seed, number, label):
        self.random = random.Random(f"{seed}/{number}")
        self.features = chosen()
        self.name = f"{number:05}"
        self.zone = self.random.choice(ZONES)
        self.calendar = usage.known_calendar(self.zone, label)
        self.currency = self.random.choice(CURRENCIES)
        self.meters = self.random.sample(list(HELD), self.random.randint(0, 2)) + self.random.sample(
            list(SUMS), self.random.randint(0, 2)) or ["vcpu"]
        self.series, self.classes, self.extra = [], [], []
        self.projects = self.random.choice([["p1"], ["p1", "p2"], ["p1", "p2", "p3"]])
        self.attributes = {}
        self.moves = False  # to another tariff within the month
        self.hidden = None  # a meter of the base that the tariff on top of it does not charge for
        self.levels = False  # what is held at each instant matters, so that all has to be known
        held = [meter for meter in self.meters if meter in HELD]
        # Its holdings have a minimum or a step in some version of some tariff.
        self.timed = self.random.choice(held) if held and self.may("holding", 0.25) else None
        self.detail = self.pick("account", "project") if self.may("detail", 0.15) else "resource"
        self.negative = self.may("negative", 0.15)

    def may(self, feature, chance):
        return self.random.random() < chance and feature in self.features

    def pick(self, *values):
        return self.random.choice(values)

    def inside(self):
        """A second of the month; often where something begins."""
        if self.random.random() < 0.3:
            return self.random.choice(self.calendar.midnights)
        return self.random.randrange(self.calendar.start, self.calendar.end)

    # --- Rates

    def bounds(self, held):
        most = self.pick(3, 40, 900) if held else self.pick(2, 30, 5000)
        return sorted({str(self.random.randint(1, most)) if self.random.random() < 0.7 else
                       f"{self.random.randint(0, most)}.{self.random.randint(1, 9)}"
                       for _ in range(self.random.randint(1, 3))}, key=float)

    def tiers(self, held, price="price", values=PRICES):
        rows = [{"up_to": bound, price: self.random.choice(values)} for bound in self.bounds(held)]
        rows.append({price: self.random.choice(values)})
        for row in rows:
            if self.random.random() < 0.4:
                row["flat"] = self.random.choice(FLATS)
        return rows

    def model(self, meter):
        held = meter in HELD
        kinds = [("", "per-unit", 3), ("tiers", "graduated", 2), ("tiers", "volume", 2),
                 ("packages", "package", 1), ("blocks", "blocks", 1), ("series", "series", 1),
                 ("dynamic", "dynamic", 1), ("hashmap", "hashmap", 1)]
        kinds += [("levels", "levels", 1)] if held else [
            ("percentages", "percentage", 2), ("percentages", "graduated-percentage", 1)]
        kinds = [kind for kind in kinds if kind[0] == "" or kind[0] in self.features]
        kind = self.random.choices(kinds, [kind[2] for kind in kinds])[0][1]
        make = getattr(self, "model_" + kind.replace("-", "_"))
        return make(held)

    def model_per_unit(self, _):
        return {"price": self.random.choice(PRICES)}

    def model_graduated(self, held):
        row = {"model": "graduated", "tiers": self.tiers(held)}
        if self.may("zero", 0.3):
            row["zero_usage"] = "first-flat"
        return row

    def model_volume(self, held):
        return {**self.model_graduated(held), "model": "volume"}

    def model_levels(self, held):
        self.levels = True
        return {"model": self.pick("graduated", "volume"), "by": "held", "tiers": self.tiers(held)}

    def model_package(self, held):
        row = {"model": "package", "price": self.random.choice(PRICES[:6]),
               "size": self.pick("1", "10", "7.5", "100")}
        if self.random.random() < 0.4:
            row["free"] = self.pick("3", "12.5")
        if self.random.random() < 0.4:
            row["rounding"] = self.pick("up", "down", "half-away-from-zero", "half-even")
        return row

    def model_blocks(self, held):
        tiers = [{"size": self.pick("1", "5", "2.5"), "price": self.random.choice(PRICES),
                  "blocks_max": self.random.randint(1, 20)}
                 for _ in range(self.random.randint(0, 2))]
        tiers.append({"size": self.pick("1", "100"), "price": self.random.choice(PRICES)})
        return {"model": "blocks", "policy": self.pick("all-tiers", "top-tier"), "tiers": tiers}

    def model_percentage(self, _):
        row = {"model": "percentage", "percent": self.pick("1.3%", "2.99%", "10%", "0.1%")}
        for key, values in (("fixed", ["2", "0.25"]), ("minimum", ["1.75", "0.05"]),
                            ("maximum", ["12", "40"]), ("free_events", [1, 3]),
                            ("free_units", ["250", "10.5"])):
            if self.random.random() < 0.35:
                row[key] = self.random.choice(values)
        return row

    def model_graduated_percentage(self, held):
        return {"model": "graduated-percentage",
                "tiers": self.tiers(held, "percent", ["1%", "2.5%", "0.3%", "12%"])}

    def model_series(self, _):
        if not self.series:
            at = self.calendar.start - 40 * 86400
            points = []
            for _ in range(self.random.randint(1, 25)):
                points.append([iso(at), self.random.choice(PRICES)])
                at += self.random.randrange(1, 5 * 86400)
            self.series.append({"id": f"spot-{self.name}", "points": points})
        return {"model": "series", "series": self.series[0]["id"]}

    def model_dynamic(self, held):
        self.attributes["price"] = ["0.01", "2.5", "0.000001"]
        row = {"model": "dynamic", "attribute": "price",
               "basis": "unit" if held else self.pick("unit", "total")}
        if self.random.random() < 0.4:
            row["multiplier"] = self.pick("0.01", "1.33333")
        return row

    def model_hashmap(self, held):
        self.attributes["flavor"] = ["small", "large", "huge"]
        costs = []
        for group in self.random.sample(["g1", "g2"], self.random.randint(1, 2)):
            costs.append({"group": group, "cost": self.random.choice(PRICES)})
            for value in self.random.sample(["small", "large"], self.random.randint(0, 2)):
                costs.append({"group": group, "field": "flavor", "value": value,
                              self.pick("cost", "factor"): self.pick("0.5", "1.2", "3")})
            for level in self.random.sample(["1", "10", "50.5"], self.random.randint(0, 2)):
                costs.append({"group": group, "at_least": level,
                              self.pick("cost", "factor"): self.pick("0.9", "0.5", "2")})
            if self.random.random() < 0.3:
                costs.append({"group": group, "field": "flavor", "value": "huge", "cost": "7.5",
                              "project": self.random.choice(self.projects)})
        return {"model": "hashmap", "costs": costs}

    def measured(self):
        """A rate of a meter that is another measure of one that is used."""
        known = [name for name, (of, _, _) in MEASURED.items() if of in self.meters]
        if not known or not self.may("measures", 0.3):
            return []
        self.levels = True
        name = self.random.choice(known)
        of, _, unit = MEASURED[name]
        held = of in HELD
        model = self.random.choice([self.model_per_unit, self.model_package, self.model_graduated,
                                    self.model_volume])(held)
        model.pop("zero_usage", None)
        if unit == "flavor":
            self.attributes["flavor"] = ["small", "large", "huge"]
        return [{"meter": name, "unit": unit or self.random.choice((HELD if held else SUMS)[of]),
                 "per": "unit", "tax": "none", **model}]

    def sold_as_mips(self):
        if "vcpu" not in self.meters or not self.may("derived", 0.3):
            return []
        self.attributes["host_class"] = ["gen1", "gen2"]
        return [{"meter": "sold-mips", "unit": "MIPS", "per": self.pick("hour", "month"),
                 "tax": "none", "price": self.pick("0.00001", "0.000000001")}]

    def rate(self, meter, model=None):
        held = meter in HELD
        row = {"meter": meter, "unit": self.random.choice((HELD if held else SUMS)[meter]),
               "per": self.pick("hour", "hour", "month", "day", "second") if held else "unit",
               "tax": "none", **(model or self.model(meter))}
        position = row.get("model", "per-unit") in {"per-unit", "graduated", "volume", "package",
                                                    "blocks", "graduated-percentage"}
        position &= "by" not in row
        if self.may("pools", 0.4) and "zero_usage" not in row:
            row["pool"] = self.pick("account", "project", "site", "resource")
        if position and "zero_usage" not in row:
            if self.may("windows", 0.12) and meter != self.timed:
                row["window"] = self.pick("3600s", "86400s")
            if self.may("rounding", 0.2):
                row["round_units"] = {"step": self.pick("1", "0.1", "5"),
                                      "to": self.pick("up", "down", "half-away-from-zero")}
        return row

    def hours(self, days):
        """Never a whole day: the rate after it is reached."""
        start = self.pick("09:00", "22:30", "02:15", "00:00")
        return {"days": days, "from": start,
                "to": self.pick("12:00", "06:00", "03:00", *(["24:00"] * (start != "00:00")))}

    def rates(self, meter):
        """A rate that always applies, and perhaps some before it that do not."""
        last = self.rate(meter)
        if "zero_usage" in last:
            return [last]
        before = []
        if self.may("matrix", 0.15):
            self.attributes["flavor"] = ["small", "large", "huge"]
            self.attributes["tier"] = ["gold", "silver"]
            prices = [[flavor, tier, self.random.choice(PRICES)]
                      for flavor in ("small", "large") for tier in ("gold", "silver")]
            before.append({**self.rate(meter, {"model": "matrix", "by": ["flavor", "tier"],
                                               "prices": prices})})
        if self.may("conditions", 0.25):
            self.attributes["flavor"] = ["small", "large", "huge"]
            before.append({**self.rate(meter), "where": {"flavor": self.pick("small", "large")}})
        if self.may("places", 0.1):
            before.append({**self.rate(meter), **self.pick({"site": "s1"}, {"kind": "bucket"},
                                                           {"region": "north"})})
        if self.may("times", 0.25):
            times = [self.hours(days) for days in self.pick(
                ["mon-fri"], ["mon-sun"], ["fri-mon"], ["mon-fri", "sat-sun"])]
            before.append({**self.rate(meter), "times": times})
        for row in before:
            row.pop("zero_usage", None)
        named = [*before, last]
        for number, row in enumerate(named):
            if row.get("model") != "matrix" and self.may("names", 0.3):
                row["name"] = f"{meter} {number}"
        return named

    # --- Versions

    def changed(self, row):
        """The same rate in a later version."""
        row = dict(row)
        simple = row.get("model", "per-unit") in ("per-unit", "package")
        if simple and self.random.random() < 0.6:
            row["price"] = self.random.choice(PRICES)
        elif row.get("model") == "graduated" and "by" not in row and self.random.random() < 0.5:
            row["tiers"] = self.tiers(row["meter"] in HELD)
            row.pop("zero_usage", None)
        units = {**HELD, **SUMS}.get(row["meter"])
        if units and row.get("model", "per-unit") in ("per-unit", "graduated") \
                and "by" not in row and row["meter"] not in self.allowed:
            row["unit"] = self.random.choice(units)
        return row

    def version(self, start, end, whole):
        row = {"valid_from": iso(start)}
        if end is not None:
            row["valid_to"] = iso(end)
        if self.detail != "resource" and whole:
            row["detail"] = self.detail
        if whole and self.hidden:
            row["included"] = [self.hidden]
        if self.timed and self.random.random() < 0.7:
            step = self.pick(1, 60, 3600)
            time = {"minimum": f"{step * self.pick(2, 10)}s"} if self.random.random() < 0.6 else {}
            if step > 1:
                time["step"] = f"{step}s"
            if time:
                row["holding"] = {self.timed: time}
        return row

    # --- Fees

    def fees(self):
        found = []
        for number in range(self.random.randint(0, 2) if "fees" in self.features else 0):
            row = {"name": f"Fee {number}", "service": "Support", "tax": "none",
                   "every": self.pick("month", "month", "once"), "amount": self.pick("50", "0.01", "9.99")}
            if row["every"] == "month" and self.random.random() < 0.5:
                row["proration"] = {"by": "day", "count": self.pick("actual", "thirty")}
                if self.random.random() < 0.5:
                    row["proration"].update(decimals=9, rounding=self.pick("half-away-from-zero", "down"))
            elif row["every"] == "month" and self.random.random() < 0.2:
                row["proration"] = "none"
            found.append(row)
        if self.may("capacity", 0.2) and set(self.meters) != {self.hidden}:
            found.append(self.capacity())
        return found

    def capacity(self):
        """One price for the first tier into which the units of some meters fit."""
        row = {"name": "Capacity", "service": "Base", "tax": "none",
               "every": self.pick("month", "month", "once")}
        meters = [meter for meter in self.meters if meter != self.hidden]
        meters = self.random.sample(meters, self.random.randint(1, len(meters)))
        bounds, tiers = dict.fromkeys(meters, Fraction(0)), []
        units = {meter: self.pick("", *({**HELD, **SUMS}[meter])) for meter in meters}
        for _ in range(self.random.randint(1, 3)):
            for meter in meters:
                bounds[meter] += Fraction(self.pick("1", "7.5", "100", "5000", "1000000"))
            tiers.append({"up_to": {
                meter: f"{float(bound):.1f} {units[meter]}".strip()
                for meter, bound in bounds.items()}, "amount": self.pick("10", "35.5", "0.01")})
        if self.random.random() < 0.8:
            tiers.append({"amount": self.pick("99", "1000")})
        else:
            row["limited"] = True
        if self.may("zero", 0.4):
            row["zero_usage"] = self.pick("free", "first-tier")
        return {**row, "tiers": tiers}

    # --- Adjustments

    def adjustments(self, rates, named=""):
        found = []
        for number in range(2):
            if self.may("allowances", 0.25):
                found += self.allowance(rates, f"{named}Included {number}")
        for number in range(self.random.choice([0, 0, 1, 1, 2, 3])):
            if "adjustments" in self.features:
                found.append(self.adjustment(rates, f"{named}Adjustment {number}"))
        return found

    def allowance(self, rates, name):
        """On one meter, or on several that count in the same unit and by the same time."""
        plain = ("per-unit", "graduated", "volume", "package", "blocks", "matrix")
        units = {}
        for row in rates:
            known = units.setdefault(row["meter"], set())
            known.add(row["unit"])
            if row.get("model", "per-unit") not in plain or "by" in row or "zero_usage" in row:
                known.add("none")
        pers = {}
        for row in rates:
            pers.setdefault(row["meter"], set()).add(row["per"])
        units = {meter: known for meter, known in units.items()
                 if "none" not in known and len(pers[meter]) == 1}
        measured = [meter for meter in units if meter in MEASURED]
        if not units:
            return []
        meter = self.random.choice(sorted(units))
        unit = self.random.choice(sorted(units[meter]))
        meters = [meter]
        if meter not in measured:
            meters += [other for other in sorted(units) if other not in [meter, *measured]
                       and unit in units[other] and pers[other] == pers[meter]
                       and self.random.random() < 0.7]
        if meter in measured and self.levels and self.detail != "resource":
            return []
        self.allowed |= set(meters)
        row = {"name": name, "adjust": "allowance", "meters": meters,
               "quantity": self.pick("1", "10", "0.5", "100"), "unit": unit}
        if meter not in measured:
            row["pool"] = self.pool("project", "resource", "site")
            self.windowed(row, [rate for rate in rates if rate["meter"] in meters])
            if self.random.random() < 0.3:
                row["after_rounding"] = True
        return [row]

    def pool(self, *others):
        narrow = {"account": {"project", "resource"}, "project": {"resource"}}
        found = self.pick("account", "account", *others)
        return "account" if found in narrow.get(self.detail, ()) else found

    def windowed(self, row, rates):
        if any("window" in rate for rate in rates) and self.random.random() < 0.6:
            row["windows"] = True

    def adjustment(self, rates, name):
        kind = self.pick("discount", "discount", "credit", "minimum", "maximum", "commitment")
        row = {"name": name, "adjust": kind}
        if kind == "discount":
            row["percent"] = self.pick("10%", "33.3%")
        else:
            row["amount"] = self.pick("10", "250", "0.5", "3")
        if kind == "commitment":
            row.update(overage=self.pick("1", "2", "0.8"), true_up=self.pick(True, False),
                       prepaid=self.pick(True, False))
            row["true_up"] &= not row["prepaid"]
        if kind in ("minimum", "maximum", "commitment") and self.random.random() < 0.3:
            row["proration"] = self.pick("day", "none", "second")
        # What is held at a level stands on lines in shares that no definition states.
        if self.levels or name.startswith("Base") or not self.may("scopes", 0.6):
            if self.may("scopes", 0.2):
                row["fees"] = False
            return row
        scoped = self.scoped(row, rates)
        if kind != "discount":
            row["pool"] = self.pool("project", "resource", "site")
            self.windowed(row, scoped)
            short = kind == "minimum" or row.get("true_up")
            if row.get("windows") and short and self.random.random() < 0.3:
                row["windows"] = "all"
        return row

    def scoped(self, row, rates):
        """Narrows an adjustment; the rates that it bears on."""
        meters = sorted({rate["meter"] for rate in rates if rate["meter"] in {**HELD, **SUMS}})
        names = sorted({rate["name"] for rate in rates if "name" in rate})
        what = self.random.random()
        if what < 0.4 and meters:
            row["meters"] = self.random.sample(meters, self.random.randint(1, len(meters)))
        elif what < 0.6 and names:
            row["rates"] = [self.random.choice(names)]
        elif what < 0.8 and meters:
            row["services"] = [usage_service(self.random.choice(meters))]
        if any(key in row for key in ("meters", "rates", "services")) and self.random.random() < 0.3:
            row["fees"] = True
        return [rate for rate in rates
                if rate["meter"] in row.get("meters", [rate["meter"]])
                and rate.get("name") in row.get("rates", [rate.get("name")])
                and usage_service(rate["meter"]) in row.get("services",
                                                            [usage_service(rate["meter"])])]

    def dearer(self, row, whole):
        """A fee or an adjustment in a later version. A base does not know what is priced above it."""
        row = dict(row)
        if self.random.random() < 0.5 or (self.levels or not whole) and "percent" in row:
            return row
        if "tiers" in row:
            row["tiers"] = [{**tier, "amount": self.pick("20", "0.75", "300")}
                            for tier in row["tiers"]]
        for key, values in (("amount", ("20", "0.75", "300")), ("percent", ("50%", "1.5%", "20%")),
                            ("quantity", ("2", "30", "0.25"))):
            if key in row:
                row[key] = self.random.choice(values)
        return row

    def listed(self, rows, kind, whole):
        """The list in a later version: some change, and one may be left out."""
        rows = [self.dearer(row, whole) for row in rows]
        may = kind == "fee" or whole and not self.levels
        if rows and self.random.random() < 0.15 and may:
            rows.pop(self.random.randrange(len(rows)))
        return rows

    # --- Tariffs

    def tariff(self):
        """The tables of the tariff, and of its base."""
        names = {"id": f"t-{self.name}", "name": f"Tariff {self.name}", "currency": self.currency}
        text, own, over = "", list(self.meters), []
        self.allowed = set()
        self.moves = self.may("assignments", 0.1)
        if self.may("base", 0.3):
            inherited = self.random.sample(own, self.random.randint(1, len(own)))
            own = [meter for meter in own if meter not in inherited]
            if self.may("zero", 0.25):
                self.hidden = self.random.choice(inherited)
            base = {**names, "id": f"b-{self.name}"}
            below, over = self.dated(inherited, 0.3, "base")
            text += table("tariff", base) + below
            names["base"] = base["id"]
        whole = self.dated(own, 0.35, "own", over)[0]
        text += table("tariff", names) + whole
        if self.moves:
            text += table("tariff", {**names, "id": f"u-{self.name}"})
            text += self.dated(own, 0.2, "own", over)[0]
        return text

    def overrides(self, over):
        """Prices of one's own for what the base prices too: for some of it, or for all."""
        found = []
        for row in over:
            simple = row.get("model", "per-unit") in ("per-unit", "graduated", "package")
            if not simple or "by" in row or "times" in row or self.random.random() < 0.5 \
                    or row["meter"] == self.hidden:
                continue
            row = {**self.changed(row), "unit": row["unit"]}
            if row.pop("zero_usage", None) and self.random.random() < 0.7:
                # Another rate than the base's, of which the flat fee is not due any more.
                row["name"] = f"{row['meter']} above"
            if self.random.random() < 0.6 and "where" not in row:
                self.attributes["flavor"] = ["small", "large", "huge"]
                row["where"] = {"flavor": self.pick("small", "large")}
            found.append(row)
        # What is for least of it first; nothing twice, so that each is reached.
        kept = {}
        for row in sorted(found, key=lambda row: -sum(
                key in row for key in ("where", "site", "region", "kind"))):
            about = [(key, row[key]) for key in ("where", "site", "region", "kind") if key in row]
            kept.setdefault(repr((row["meter"], about)), row)
        return list(kept.values())

    def dated(self, meters, chance, role, over=()):
        """The versions of a tariff, and the rates of its first."""
        start, cuts, whole = self.calendar.start - 400 * 86400, [], role == "own"
        if self.may("versions", chance):
            cuts = sorted({self.inside() for _ in range(self.random.randint(1, 2))})
        if whole and self.may("gaps", 0.04):
            start = self.inside()
            cuts = [cut for cut in cuts if cut > start]
        edges = [start, *cuts, None]
        rates = [row for meter in meters for row in self.rates(meter)]
        if whole:
            rates += self.sold_as_mips()
            if not cuts and not over and not self.moves:
                rates += self.measured()
        first = rates
        below = self.overrides(over)
        narrow = {"account": {"project", "resource"}, "project": {"resource"}}
        for row in [*rates, *below]:
            if whole and row.get("pool") in narrow.get(self.detail, ()):
                del row["pool"]
        fees = self.fees() if whole or self.random.random() < 0.3 else []
        adjustments = []
        if whole or self.random.random() < 0.4:
            adjustments = self.adjustments([*below, *rates, *over], "" if whole else "Base ")
        text = ""
        for number, (begin, end) in enumerate(zip(edges, edges[1:])):
            if number:
                rates = [self.changed(row) for row in rates]
                below = self.overrides(over) if self.random.random() < 0.4 else below
                for row in below:
                    if row.get("pool") in narrow.get(self.detail, ()):
                        del row["pool"]
                fees = self.listed(fees, "fee", whole)
                adjustments = self.listed(adjustments, "adjustment", whole)
            version = self.version(begin, end, whole)
            text += table("tariff.version", version)
            text += "".join(table("tariff.version.rate", row) for row in [*below, *rates])
            text += "".join(table("tariff.version.fee", row) for row in fees)
            text += "".join(table("tariff.version.adjustment", row) for row in adjustments)
        return text, first

    def account(self):
        row = {"id": f"a-{self.name}", "name": f"Account {self.name}", "seller": "acme",
               "currency": self.currency, "time_zone": self.zone,
               "address": {"lines": ["1 road"], "postal_code": "1", "city": "Paris", "country": "FR"}}
        owner, assigned = {"owner": f"native/o-{self.name}"}, ""
        if self.moves:
            at = iso(self.inside())
            for tariff, dates in (("t", {"valid_to": at}), ("u", {"valid_from": at})):
                assigned += table("account.tariff_assignment",
                                  {"tariff": f"{tariff}-{self.name}", **dates})
        else:
            row["tariff"] = f"t-{self.name}"
        if self.may("owners", 0.06):
            owner[self.pick("valid_from", "valid_to")] = iso(self.inside())
        return table("account", row) + table("account.owner", owner) + assigned


HEAD = """[[party]]
id = "acme"
name = "Acme"
kind = "franchisor"
series = "ACM"
payment_days = 30
address = { lines = ["1 road"], postal_code = "1", city = "Paris", country = "FR" }

[[site]]
id = "s1"
name = "Site 1"
party = "acme"

[[site]]
id = "s2"
name = "Site 2"
party = "acme"

[[tax_category]]
id = "none"
code = "Z"
rate = "0%"

"""


CLASSES = """[[host_class]]
class = "gen1"
mips_per_vcpu = "9000"

[[host_class]]
class = "gen2"
mips_per_vcpu = "12000.5"
valid_to = "2026-10-17T11:22:33Z"

[[host_class]]
class = "gen2"
mips_per_vcpu = "13000"
valid_from = "2026-10-17T11:22:33Z"

[[meter]]
id = "sold-mips"
name = "MIPS"
unit = "MIPS"
scale = 9
of = "vcpu"
convert = { attribute = "host_class", factor = "mips-per-vcpu" }
"""


def head():
    found = [HEAD]
    if "derived" in chosen():
        found.append(CLASSES)
    if "measures" in chosen():
        for name, (of, settings, unit) in MEASURED.items():
            own = {"unit": unit} if unit else {}
            found.append(table("meter", {"id": name, "name": name, "of": of, **settings, **own}))
    return found


def write(seed, number, folder, only=None):
    """A folder with book.toml, events.jsonl and case.toml of so many accounts, or of only one."""
    import events
    label = random.Random(f"month/{seed}").choice(MONTHS)
    tariffs, accounts, extra, lines = [], [], [], []
    for index in range(number):
        maker = Maker(seed, index, label)
        if only not in (None, f"a-{maker.name}"):
            continue
        tariffs.append(maker.tariff())
        accounts.append(maker.account())
        extra += [table("series", row) for row in maker.series]
        lines += events.of(maker)
    random.Random(f"order/{seed}").shuffle(lines)
    (folder / "book.toml").write_text("\n".join([*head(), *extra, *tariffs, *accounts]))
    (folder / "events.jsonl").write_text("\n".join(lines) + "\n")
    end = usage.known_calendar("UTC", label).end
    (folder / "case.toml").write_text(
        f'period = "{label}"\nas_of = "{iso(end + 40 * 86400)}"\nnow = "{iso(end + 40 * 86400)}"\n')
