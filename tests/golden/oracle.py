#!/usr/bin/env python3
"""Recomputes golden cases a second way: events.jsonl + book.toml -> invoice figures.

Written from the rules (docs, schemas), not from the engine's code, in whole numbers and fractions:
Python 3.11 and nothing else. Beside it `wire.py` reads the events and `metering.py` folds them.

    oracle.py CASE...           prints the figures of each case
    oracle.py --check CASE...   compares them with expected.json and looks for every amount in the
                                case's README; exit code 1 where anything differs
    oracle.py --accept CASE...  writes expected.json (then work the sums out by hand in README.md)
"""

import json
import pathlib
import sys
import tomllib
from datetime import datetime, timezone
from fractions import Fraction
from zoneinfo import ZoneInfo

sys.dont_write_bytecode = True  # the folder holds cases, not caches
import metering  # noqa: E402
import sums  # noqa: E402
import wire  # noqa: E402

MINOR_DIGITS = {"JPY": 0, "KRW": 0, "KWD": 3, "BHD": 3, "TND": 3, "CLF": 4}
PER_SECONDS = {"second": 1, "hour": 3600, "day": 86400, "unit": 1}
COMPUTE = {"active", "paused"}
DISK = {"active", "paused", "suspended", "stopped", "shelved", "soft-deleted", "error"}
HOLD = {"running": COMPUTE, "allocated": DISK, "existing": DISK | {"shelved-offloaded"}}


# --- The price book ------------------------------------------------------------------------------


def instant(text):
    return None if text is None else wire.micros(text + "T00:00:00Z" if len(text) == 10 else text)


def in_force(row, at):
    start, end = instant(row.get("valid_from")), instant(row.get("valid_to"))
    return (start is None or start <= at) and (end is None or at < end)


def ppm(text):
    return int(Fraction(text.rstrip("%")) * 10_000)


class Book:
    def __init__(self, path):
        self.toml = tomllib.loads(path.read_text())
        self.meters = dict(wire.METERS)
        for row in self.toml.get("meter", []):
            units = {row["unit"]: 1, **row.get("units", {})}
            self.meters[row["id"]] = (row["service"], row.get("scale", 0), row["aggregation"],
                                      row.get("hold", "existing"), units)
        self.taxes = {row["id"]: row for row in self.toml.get("tax_category", [])}
        self.tariffs = {row["id"]: row for row in self.toml.get("tariff", [])}
        self.accounts = {row["id"]: row for row in self.toml.get("account", [])}

    def instants(self):
        """Every instant at which anything in the book changes."""
        found = set()

        def walk(value):
            if isinstance(value, dict):
                found.update(instant(value[key]) for key in ("valid_from", "valid_to")
                             if key in value)
                for inner in value.values():
                    walk(inner)
            elif isinstance(value, list):
                for inner in value:
                    walk(inner)

        walk(self.toml)
        return sorted(found)

    def account_of(self, owner, at):
        for account in self.accounts.values():
            for rule in account.get("owner", []):
                if rule["owner"] == owner and in_force(rule, at):
                    return account
        return None

    def version(self, account, at):
        tariff = account.get("tariff")
        for row in account.get("tariff_assignment", []):
            if in_force(row, at):
                tariff = row["tariff"]
        tariff = self.tariffs.get(tariff)
        if tariff is None:
            return None, None
        for version in tariff.get("version", []):
            if in_force(version, at):
                return tariff, version
        return tariff, None

    def agreement(self, seller, at):
        for row in self.toml.get("agreement", []):
            if row["franchisee"] == seller and in_force(row, at):
                return row
        return None

    def royalty(self, agreement, meter, service):
        for term in agreement.get("term", []):
            if term.get("meter", meter) == meter and term.get("service", service) == service:
                return ppm(term["royalty"])
        return ppm(agreement["royalty"])

    def states(self, version, meter):
        own = version.get("hold", {}).get(meter)
        return set(own) if own is not None else HOLD[self.meters[meter][3]]


def version_id(tariff, version):
    """As short as it is exact: standard.2026-01, standard.2026-01-15, standard.2026-01-15t103000z."""
    if "id" in version:
        return version["id"]
    start = datetime.fromtimestamp(instant(version["valid_from"]) // 1_000_000, timezone.utc)
    midnight = (start.hour, start.minute, start.second) == (0, 0, 0)
    form = "%Y-%m-%dt%H%M%Sz" if not midnight else "%Y-%m" if start.day == 1 else "%Y-%m-%d"
    return f"{tariff['id']}.{start.strftime(form)}"


def month(label, zone):
    year, number = map(int, label.split("-"))
    after = (year + number // 12, number % 12 + 1)
    zone = ZoneInfo(zone)
    return tuple(int(datetime(y, m, 1, tzinfo=zone).timestamp()) for y, m in ((year, number), after))


# --- Rating and the invoice ----------------------------------------------------------------------


def pieces(book, resources, limit):
    """(start second, end second, seconds held, meter, quantity, holding, resource): nothing in the
    book changes within a piece. What counts at one instant has no end."""
    cuts = [cut // 1_000_000 for cut in book.instants()]
    for account in book.accounts.values():
        cuts += month(limit["label"], account["time_zone"])
    for resource, meter in resources.items():
        for start, end, holding in meter.stretches:
            first = start // 1_000_000
            last = limit["as_of"] if end is None else min(end // 1_000_000, limit["as_of"])
            if first >= last:
                continue
            inner = sorted({cut for cut in cuts if first < cut < last} | {first, last})
            for a, b in zip(inner, inner[1:]):
                for name, quantity in holding["held"].items():
                    yield a, b, b - a, name, quantity * (b - a), holding, resource
        for at, held, holding, _ in meter.aggregated:
            # Where in its window it was held is unknown: like a sum, it counts as the window ends.
            for name, quantity in holding["held"].items():
                yield at // 1_000_000, None, held, name, quantity * held, holding, resource
        for at, name, quantity, holding, _ in meter.consumed:
            yield at // 1_000_000, None, 0, name, quantity, holding, resource


def rate(book, resources, limit):
    """Exact sums per charge key, and what could not be priced."""
    charges, parked, unassigned = {}, {}, set()
    for start, end, held, name, quantity, holding, resource in pieces(book, resources, limit):
        at = start * 1_000_000
        account = book.account_of(holding["owner"], at)
        if account is None:
            first, last = month(limit["label"], "UTC")
            if start < last and (end or start + 1) > first:
                unassigned.add((holding["owner"], resource, name))
            continue
        first, last = month(limit["label"], account["time_zone"])
        if not first <= start < min(last, limit["as_of"]) or quantity == 0:
            continue
        tariff, version = book.version(account, at)
        if version is None or name not in book.meters:
            reason = "tariff_gap" if name in book.meters else "unknown_meter"
            parked.setdefault(account["id"], set()).add(reason)
            continue
        service, scale, aggregation, _, units = book.meters[name]
        if aggregation == "held" and holding["state"] not in book.states(version, name):
            continue
        where = [row for row in version.get("rate", []) if row["meter"] == name and all(
            holding["attributes"].get(key) == value for key, value in row.get("where", {}).items())]
        if not where:
            if name not in version.get("included", []):
                parked.setdefault(account["id"], set()).add("unpriced_meter")
            continue
        row = where[0]
        if "currency" not in account or "currency" not in tariff:
            parked.setdefault(account["id"], set()).add("missing_currency")
            continue
        per_seconds = PER_SECONDS.get(row["per"]) or last - first
        agreement = book.agreement(account["seller"], at) or {}
        key = (account["id"], service, holding["project"], resource, name,
               version_id(tariff, version), row["price"], row["unit"], row["per"],
               holding["site"], json.dumps(holding["attributes"], sort_keys=True),
               agreement.get("id"), account.get("tax_category", row["tax"]))
        line = charges.setdefault(key, {
            "quantity": 0, "seconds": 0, "start": start, "end": end, "scale": scale,
            "base": units[row["unit"]], "per_seconds": per_seconds, "tariff": tariff,
            "agreement": agreement, "aggregation": aggregation, "meter": name})
        line["quantity"] += quantity
        line["seconds"] += held
        if end is not None:
            line["start"], line["end"] = min(line["start"], start), max(line["end"], end)
    return charges, parked, unassigned


def rounded(exact, rounding="half-away-from-zero"):
    whole, rest = divmod(abs(exact), 1)
    up = rest > Fraction(1, 2) or (rest == Fraction(1, 2) and (
        rounding == "half-away-from-zero" or whole % 2 == 1))
    return (int(whole) + up) * (1 if exact >= 0 else -1)


def allocated(total, weights):
    """Largest remainder on the absolute amount; ties go to the earlier weight."""
    exact = [Fraction(abs(total) * weight, sum(weights)) for weight in weights]
    parts = [part.numerator // part.denominator for part in exact]
    order = sorted(range(len(parts)), key=lambda i: (parts[i] - exact[i], i))
    for index in order[: abs(total) - sum(parts)]:
        parts[index] += 1
    return [part if total >= 0 else -part for part in parts]


def money(minor, digits):
    sign, text = "-" if minor < 0 else "", str(abs(minor)).rjust(digits + 1, "0")
    return sign + (text if digits == 0 else f"{text[:-digits]}.{text[-digits:]}")


def iso(second):
    return datetime.fromtimestamp(second, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def shares(book, account, line, service, minor, digits):
    agreement, seller = line["agreement"], account["seller"]
    if not agreement:
        return [{"party": seller, "role": "proceeds", "weight_ppm": 1_000_000,
                 "money": money(minor, digits)}]
    royalty = book.royalty(agreement, line["meter"], service)
    weights = [royalty, 1_000_000 - royalty]
    parts = allocated(minor, weights)
    return [{"party": party, "role": role, "weight_ppm": weight, "money": money(part, digits)}
            for party, role, weight, part in zip(
                (agreement["franchisor"], seller), ("royalty", "proceeds"), weights, parts)]


def invoice(book, account, charges, label):
    digits = MINOR_DIGITS.get(account["currency"], 2)
    lines, bases = [], {}
    for key, line in sorted(charges.items(), key=lambda item: json.dumps(item[0])):
        _, service, project, resource, meter, version, price, unit, per, site, attributes, \
            agreement, tax = key
        divisor = line["base"] * 10 ** line["scale"]
        divisor *= line["per_seconds"] if line["aggregation"] == "held" else 1
        exact = line["quantity"] * Fraction(price) / divisor
        minor = rounded(exact * 10**digits, line["tariff"].get("rounding", "half-away-from-zero"))
        bases[tax] = bases.get(tax, 0) + minor
        lines.append({
            "resource": resource, "service": service, "meter": meter, "project": project,
            "site": site, "attributes": json.loads(attributes), "tariff_version": version,
            "agreement": agreement, "tax_category": tax, "price": price, "unit": unit, "per": per,
            "seconds": line["seconds"],
            "quantity": str(line["quantity"]), "scale": line["scale"],
            "numerator": str(exact.numerator), "denominator": str(exact.denominator),
            "net": money(minor, digits),
            "shares": shares(book, account, line, service, minor, digits),
        })
        if line["end"] is not None:
            lines[-1]["service_period"] = [iso(line["start"]), iso(line["end"])]
    taxes, tax_total = [], 0
    for tax, base in sorted(bases.items()):
        rate_ppm = ppm(book.taxes[tax]["rate"])
        due = rounded(Fraction(base * rate_ppm, 1_000_000))
        tax_total += due
        taxes.append({"category": tax, "rate_ppm": rate_ppm, "base": money(base, digits),
                      "tax": money(due, digits)})
    net = sum(bases.values())
    start, end = month(label, account["time_zone"])
    return {"currency": account["currency"], "period": [iso(start), iso(end)], "charges": lines,
            "taxes": taxes, "net": money(net, digits), "tax": money(tax_total, digits),
            "gross": money(net + tax_total, digits)}


def figures(case):
    """All figures of a case folder, in the shape of expected.json."""
    settings = tomllib.loads((case / "case.toml").read_text())
    book = Book(case / "book.toml")
    events, counts = wire.read(case, book.meters)
    as_of = instant(settings.get("as_of", "2999-12-31T00:00:00Z")) // 1_000_000
    limit = {"label": settings["period"], "as_of": as_of}
    charges, parked, unassigned = rate(book, metering.metered(events), limit)
    accounts = {}
    for name in settings["accounts"]:
        own = {key: line for key, line in charges.items() if key[0] == name}
        if name not in parked and own:
            accounts[name] = invoice(book, book.accounts[name], own, settings["period"])
    return {"counts": counts,
            "parked": {name: sorted(why) for name, why in sorted(parked.items())},
            "unassigned": [list(row) for row in sorted(unassigned, key=str)],
            "accounts": accounts}


def differences(expected, found, path=""):
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in sorted(expected.keys() | found.keys()):
            yield from differences(expected.get(key), found.get(key), f"{path}.{key}")
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, (left, right) in enumerate(zip(expected, found)):
            yield from differences(left, right, f"{path}[{index}]")
    elif expected != found:
        yield f"{path}: expected {expected!r}, the oracle finds {found!r}"


def missing_from_readme(case, expected):
    """Amounts that the README does not work out, and sums in it that are wrong."""
    readme = (case / "README.md").read_text()
    yield from sums.mistakes(readme)
    for account in expected["accounts"].values():
        wanted = [account["net"], account["tax"], account["gross"]]
        for charge in account["charges"]:
            wanted += [charge["net"], charge["quantity"]]
            wanted += [share["money"] for share in charge["shares"]]
        yield from (f"README.md does not show {text}" for text in wanted if text not in readme)


def main(arguments):
    mode = arguments[0] if arguments and arguments[0].startswith("--") else "--print"
    failed = False
    for name in (argument for argument in arguments if not argument.startswith("--")):
        case = pathlib.Path(name)
        found = figures(case)
        text = json.dumps(found, indent=1) + "\n"
        if mode == "--accept":
            (case / "expected.json").write_text(text)
        elif mode == "--check":
            expected = json.loads((case / "expected.json").read_text())
            wrong = [*differences(expected, found), *missing_from_readme(case, expected)]
            failed |= bool(wrong)
            print(f"{case.name}: " + ("agrees" if not wrong else "\n  ".join(["", *wrong])))
        else:
            print(text, end="")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
