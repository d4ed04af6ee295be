#!/usr/bin/env python3
"""From raw native events and a price book to the exact amounts of every account, a second way: written
from the definitions, in fractions, from the first event to the last adjustment. Python 3.11 alone.

    rating.py rate FOLDER                    of a folder with book.toml, events.jsonl and case.toml:
                                             one JSON line per account
    rating.py check FOLDER...                compares with rated.json there, and with README.md
    rating.py accept FOLDER...               writes rated.json (then work the sums out by hand)
    rating.py make SEED ACCOUNTS FOLDER      writes such a folder, at random
    rating.py compare SEED ACCOUNTS FOLDER   with what turnpike found: lines.jsonl and parked.json there
    rating.py lines SEED ACCOUNTS ACCOUNT    makes it again and prints what one account is due, line by line
    rating.py show SEED ACCOUNTS ACCOUNT     the book and the events of that account alone

Beside it `prices.py` reads the book, `usage.py` cuts usage into pieces, `models.py` and `measures.py`
price them, `account.py` and `due.py` put an account together and `tariffs.py` makes up cases. The events are read
and metered by the modules of `tests/golden`.
"""

import json
import pathlib
import sys
import tempfile
import tomllib
from fractions import Fraction

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent / "golden")]

import account as accounts  # noqa: E402
import metering  # noqa: E402
import prices  # noqa: E402
import sums  # noqa: E402
import usage  # noqa: E402
import wire  # noqa: E402


def metered_by_owner(book, folder):
    """Resources by every account that may own a part of them."""
    events, _ = wire.read(folder, book.meters)
    owners = {}
    for event in events:
        if event["resource"] is not None and event["owner"] is not None:
            owners.setdefault(event["resource"], set()).add(event["owner"])
    found = {}
    for resource, metered in metering.metered(events).items():
        for owner in owners.get(resource, ()):
            for account in book.owners().get(owner, []):
                found.setdefault(account["id"], {})[resource] = metered
    return found


def rated(folder):
    """(account id, lines, or None where it is parked, why)"""
    settings = tomllib.loads((folder / "case.toml").read_text())
    book = prices.Book(folder / "book.toml")
    as_of = prices.second(settings.get("as_of", "2999-12-31T00:00:00Z"))
    resources = metered_by_owner(book, folder)
    for name, row in sorted(book.accounts.items()):
        used = usage.Usage(book, row, settings["period"], as_of)
        try:
            for resource, metered in sorted(resources.get(name, {}).items()):
                used.add(resource, metered)
            yield name, accounts.Account(book, row, used).rated(), None
        except (accounts.Parked, ValueError) as reason:
            yield name, None, str(reason)


def text(amount):
    return f"{amount.numerator}/{amount.denominator}"


def summed(name, lines, why):
    if lines is None:
        return {"account": name, "parked": why}
    zero = Fraction(0)
    adjusted = sum((line.amount for line in lines if line.kind == "adjustment"), zero)
    total = sum((line.amount for line in lines), zero)
    return {"account": name, "total": text(total), "adjustments": text(adjusted)}


def found_by_turnpike(folder):
    """(exact total, adjustments) by account, and who is parked, why."""
    sums = {}
    for line in (folder / "lines.jsonl").read_text().splitlines():
        row = json.loads(line)
        amount = Fraction(int(row["numerator"]), int(row["denominator"]))
        total, adjusted = sums.get(row["account"], (Fraction(0), Fraction(0)))
        adjusted += amount if row["kind"] == "adjustment" else 0
        sums[row["account"]] = (total + amount, adjusted)
    parked = json.loads((folder / "parked.json").read_text())
    return sums, {row["account"]: row["reason"] for row in parked}


def compare(folder, seed, number):
    sums, parked = found_by_turnpike(folder)
    events = (folder / "events.jsonl").read_text()
    wrong, nothing = [], (Fraction(0), Fraction(0))
    count = 0
    for name, lines, why in rated(folder):
        count += 1
        own = summed(name, lines, why)
        if name in parked or lines is None:
            if name in parked and lines is None:
                continue
            other = f"parked: {parked[name]}" if name in parked else f"{sums.get(name, nothing)[0]}"
        else:
            total, adjusted = sums.get(name, nothing)
            if (text(total), text(adjusted)) == (own["total"], own["adjustments"]):
                continue
            other = f"{text(total)}, of it adjustments {text(adjusted)}"
        size = events.count(f'"o-{name[2:]}"')
        wrong.append((size, name, own, other))
    if not wrong:
        print(f"seed {seed}, {count} accounts: all agree")
        return
    wrong.sort(key=lambda row: row[:2])
    print(f"seed {seed}, {count} accounts: {len(wrong)} differ: "
          + " ".join(name for _, name, _, _ in wrong[:40]))
    size, name, own, other = wrong[0]
    print(f"  the least of them is {name} with {size} events\n"
          f"    turnpike: {other}\n    oracle:   {json.dumps(own)}\n"
          f"    to see it: tests/oracle/rating/rating.py show {seed} {number} {name}\n"
          f"               tests/oracle/rating/rating.py lines {seed} {number} {name}")


def decimal(amount):
    """Its decimals where they end, else a fraction."""
    for digits in range(30):
        scaled = amount * 10**digits
        if scaled.denominator == 1:
            number = str(abs(scaled.numerator)).rjust(digits + 1, "0")
            number = number if digits == 0 else f"{number[:-digits]}.{number[-digits:]}"
            return ("-" if scaled < 0 else "") + number
    return text(amount)


def figures(folder):
    """What rated.json holds: of each account the total, and of each resource what its usage costs."""
    found = {}
    for name, lines, why in rated(folder):
        if lines is None:
            found[name] = {"parked": True}
            continue
        resources = {}
        for line in lines:
            if line.resource is not None and line.kind == "usage":
                resources[line.resource] = resources.get(line.resource, Fraction(0)) + line.amount
        found[name] = {
            "total": decimal(sum((line.amount for line in lines), Fraction(0))),
            "resources": {key: decimal(amount) for key, amount in sorted(resources.items())}}
    return found


def differences(folder, found):
    expected = json.loads((folder / "rated.json").read_text())
    readme = (folder / "README.md").read_text()
    for name in sorted(expected.keys() | found.keys()):
        for key in expected.get(name, {"nothing": 0}):
            wanted, own = expected.get(name, {}).get(key), found.get(name, {}).get(key)
            if wanted != own:
                yield f"{name} {key}: expected {wanted}, the oracle finds {own}"
        amount = expected.get(name, {}).get("total", "")
        if amount not in readme:
            yield f"README.md does not show {amount}"
    yield from sums.mistakes(readme)


def golden(command, folders):
    failed = False
    for folder in map(pathlib.Path, folders):
        found = figures(folder)
        if command == "accept":
            (folder / "rated.json").write_text(json.dumps(found, indent=1) + "\n")
            continue
        wrong = list(differences(folder, found))
        failed |= bool(wrong)
        print(f"{folder.name}: " + ("agrees" if not wrong else "\n  ".join(["", *wrong])))
    sys.exit(1 if failed else 0)


def explained(folder, wanted):
    for name, lines, why in rated(folder):
        if name != wanted:
            continue
        for line in lines or []:
            print(f"{line.amount} {float(line.amount):.9f}", line.kind, line.meter, line.rate,
                  line.resource, line.project, line.window)
        print(summed(name, lines, why))


def main(command, *arguments):
    if command == "rate":
        for row in rated(pathlib.Path(arguments[0])):
            print(json.dumps(summed(*row)))
        return
    if command in ("check", "accept"):
        golden(command, arguments)
    import tariffs
    seed, number, last = arguments
    if command == "make":
        tariffs.write(seed, int(number), pathlib.Path(last))
        return
    if command == "compare":
        compare(pathlib.Path(last), seed, number)
        return
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        tariffs.write(seed, int(number), folder)
        if command == "show":
            tariffs.write(seed, int(number), folder, last)
            print((folder / "book.toml").read_text(), (folder / "events.jsonl").read_text())
        else:
            explained(folder, last)


if __name__ == "__main__":
    main(*sys.argv[1:])
