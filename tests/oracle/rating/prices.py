"""The price book for `rating.py`: TOML as its author writes it, with numbers as fractions.

Written from what the types of `schemas/src/tariff` say of themselves, not from their parser."""

import tomllib
from fractions import Fraction

import wire

SECONDS = {"second": 1, "hour": 3600, "day": 86400, "unit": 1}
LENGTHS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
COMPUTE = {"active", "paused"}
DISK = {"active", "paused", "suspended", "stopped", "shelved", "soft-deleted", "error"}
HOLD = {"running": COMPUTE, "allocated": DISK, "existing": DISK | {"shelved-offloaded"}}


def second(text):
    return None if text is None else wire.micros(text) // 1_000_000


def share(text):
    return Fraction(text.rstrip("%")) / 100 if text.endswith("%") else Fraction(text)


def length(text):
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    return int(number) * LENGTHS[text[len(number):]]


def clock(text):
    hours, minutes, *seconds = map(int, text.split(":"))
    return hours * 3600 + minutes * 60 + sum(seconds)


def days_of(text):
    found = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        at, end = DAYS.index(first), DAYS.index(last or first)
        found.add(at)
        while at != end:
            at = (at + 1) % 7
            found.add(at)
    return found


def in_force(row, at):
    """At a second; open where nothing is said."""
    start, end = second(row.get("valid_from")), second(row.get("valid_to"))
    return (start is None or start <= at) and (end is None or at < end)


def optional(row, name, read=Fraction):
    return read(row[name]) if name in row else None


class Rate:
    def __init__(self, row, matrix=None):
        self.row = row
        self.meter, self.name = row["meter"], row.get("name", "")
        self.where = {**row.get("where", {}), **(matrix[0] if matrix else {})}
        self.place = {key: row[key] for key in ("site", "region", "kind") if key in row}
        self.times = [(days_of(time.get("days", "mon-sun")), clock(time["from"]), clock(time["to"]))
                      for time in row.get("times", [])]
        self.model = "per-unit" if matrix else row.get("model", "per-unit")
        self.price = Fraction(matrix[1]) if matrix else optional(row, "price") or Fraction(0)
        self.unit, self.per = row["unit"], row["per"]
        self.pool = row.get("pool", "account")
        self.window = optional(row, "window", length)
        rounds = row.get("round_units")
        self.rounding = rounds and (Fraction(rounds["step"]), rounds.get("to", "up"))
        # What makes it the same rate in another version.
        self.same = (self.meter, self.name or repr((sorted(self.where.items()),
                                                    sorted(self.place.items()), self.times)))

    def is_open(self):
        """Whether it takes any usage of its meter at any time."""
        return not (self.where or self.place or self.times)

    def applies(self, piece):
        told = {"site": piece["site"], "region": piece["region"], "kind": piece["kind"]}
        return (all(piece["attributes"].get(key) == value for key, value in self.where.items())
                and all(told[key] == value for key, value in self.place.items())
                and (not self.times or any(in_hours(time, *piece["local"]) for time in self.times)))


def in_hours(time, weekday, of_day):
    days, start, end = time
    if start < end:
        return weekday in days and start <= of_day < end
    # Past midnight: the hours belong to the day on which they begin.
    return (weekday in days and of_day >= start) or ((weekday - 1) % 7 in days and of_day < end)


def rates_of(row):
    if row.get("model") != "matrix":
        return [Rate(row)]
    return [Rate(row, (dict(zip(row["by"], line)), line[-1])) for line in row["prices"]]


class Version:
    def __init__(self, tariff, row):
        self.tariff, self.row = tariff, row
        self.start, self.end = second(row["valid_from"]), second(row.get("valid_to"))
        self.rates = [rate for given in row.get("rate", []) for rate in rates_of(given)]
        for rate in self.rates:
            rate.version, rate.tariff = self, tariff["id"]
        self.included = set(row.get("included", []))
        self.hold = {meter: set(states) for meter, states in row.get("hold", {}).items()}
        self.holding = {meter: (optional(time, "minimum", length) or 0,
                                optional(time, "step", length) or 0)
                        for meter, time in row.get("holding", {}).items()}
        self.fees, self.adjustments = row.get("fee", []), row.get("adjustment", [])
        self.detail = row.get("detail", "resource")


class Terms:
    """What a tariff says at an instant, with what it inherits."""

    def __init__(self, chain):
        own_first = list(reversed(chain))
        self.key = tuple((version.tariff["id"], version.start) for version in chain)
        self.tariff = own_first[0].tariff
        self.detail = own_first[0].detail
        self.rates, self.included = [], set()
        for version in own_first:
            # What a tariff includes, those that it is based on do not price.
            self.rates += [rate for rate in version.rates if rate.meter not in self.included]
            self.included |= version.included
        self.hold, self.holding = {}, {}
        for version in chain:
            self.hold.update(version.hold)
            self.holding.update(version.holding)
        # With the tariff that lists each.
        self.names = {version.tariff["id"] for version in chain}
        self.fees = [(version.tariff["id"], fee) for version in chain for fee in version.fees]
        self.adjustments = [(version.tariff["id"], row) for version in chain
                            for row in version.adjustments]


class Book:
    def __init__(self, path):
        self.toml = tomllib.loads(path.read_text())
        self.meters, self.measures = dict(wire.METERS), {}
        for row in self.toml.get("meter", []):
            self.measures[row["id"]] = row
            # What is not said of a meter of another one is as it is there.
            service, scale, aggregation, hold, units = self.meters.get(
                row.get("of"), ("", 0, None, "existing", {}))
            if "unit" in row:
                units = {row["unit"]: 1, **row.get("units", {})}
            self.meters[row["id"]] = (row.get("service", service), row.get("scale", scale),
                                      row.get("aggregation", aggregation), row.get("hold", hold),
                                      units)
        self.series = {row["id"]: [(second(at), Fraction(price)) for at, price in row["points"]]
                       for row in self.toml.get("series", [])}
        self.classes = self.toml.get("host_class", [])
        self.tariffs = {row["id"]: row for row in self.toml.get("tariff", [])}
        self.versions = {name: self.dated(row) for name, row in self.tariffs.items()}
        self.accounts = {row["id"]: row for row in self.toml.get("account", [])}
        self.known_terms = {}

    def dated(self, tariff):
        """Versions; one without an end ends where the next begins."""
        versions = [Version(tariff, row) for row in tariff.get("version", [])]
        for version, after in zip(versions, versions[1:]):
            if version.end is None:
                version.end = after.start
        return versions

    def chain(self, tariff, at):
        """Versions in force, the furthest base first; None where the tariff has none."""
        found, name = [], tariff
        while name is not None:
            now = [version for version in self.versions[name]
                   if version.start <= at and (version.end is None or at < version.end)]
            if now:
                found.insert(0, now[0])
            elif name == tariff:
                return None
            name = self.tariffs[name].get("base")
        return found

    def assigned(self, account, at):
        rows = [row for row in account.get("tariff_assignment", []) if in_force(row, at)]
        return rows[-1]["tariff"] if rows else account.get("tariff")

    def terms(self, account, at):
        tariff = self.assigned(account, at)
        chain = tariff and self.chain(tariff, at)
        if not chain:
            return None
        key = tuple((version.tariff["id"], version.start) for version in chain)
        if key not in self.known_terms:
            self.known_terms[key] = Terms(chain)
        return self.known_terms[key]

    def cuts(self, account):
        """Seconds at which the terms of an account may change."""
        names, found = {account.get("tariff")}, set()
        for row in account.get("tariff_assignment", []):
            names.add(row["tariff"])
            found |= {second(row.get("valid_from")), second(row.get("valid_to"))}
        for name in [name for name in names if name]:
            while name is not None:
                for version in self.versions[name]:
                    found |= {version.start, version.end}
                name = self.tariffs[name].get("base")
        for rule in account.get("owner", []):
            found |= {second(rule.get("valid_from")), second(rule.get("valid_to"))}
        return found - {None}

    def account_of(self, owner, at):
        return [account for account in self.owners().get(owner, []) if any(
            rule["owner"] == owner and in_force(rule, at) for rule in account["owner"])]

    def owners(self):
        if not hasattr(self, "by_owner"):
            self.by_owner = {}
            for account in self.accounts.values():
                for owner in {rule["owner"] for rule in account.get("owner", [])}:
                    self.by_owner.setdefault(owner, []).append(account)
        return self.by_owner

    def factor(self, derived, piece):
        """What a derived meter multiplies by at the piece's instant; None: not in the table."""
        convert = derived.get("convert")
        if convert is None:
            return Fraction(1)
        name = convert["factor"].replace("-", "_")
        for row in self.classes:
            if row["class"] == piece["attributes"].get(convert["attribute"]) \
                    and in_force(row, piece["start"]) and name in row:
                return Fraction(str(row[name]))
        return None
