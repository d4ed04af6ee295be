#!/usr/bin/env python3
"""Says after a fault whether anything was lost, doubled or mispriced (README.md).

    oracle.py --data DIR --journal FILE --book FILE --period MONTH [--run FILE --invoices FILE]
              [--gap TOPIC:PARTITION:FROM:TO]... [--refused]

Prints one JSON object; exit code 1, and a line for each finding, where an invariant does not hold.
With --gap those places are declared lost. With --refused nothing was billed, on purpose.
"""

import argparse
import json
import math
import pathlib
import sys
from collections import Counter
from decimal import Decimal

sys.dont_write_bytecode = True  # the folder holds programs, not caches
import bill  # noqa: E402
from tables import Table  # noqa: E402

FINDINGS_SHOWN_MAX = 20
ROW = ["origin", "position", "part", "status", "reason", "source", "event_id", "content_hash"]
FINAL = ("accepted", "duplicate", "conflict", "dead", "discarded")


def place(record):
    """Where a record was put: the part of its origin that a producer knows, and the position."""
    if "file" in record:
        return "file:" + record["file"], record["line"]
    return f"{record['topic']}/{record['partition']}@{record.get('epoch', 0)}", record["offset"]


def place_of(row):
    """kafka:CLUSTER:TOPIC:EPOCH:PARTITION stands for TOPIC/PARTITION@EPOCH."""
    parts = row["origin"].split(":")
    if parts[0] == "kafka":
        return f"{':'.join(parts[2:-2])}/{parts[-1]}@{parts[-2]}", row["position"]
    return row["origin"], row["position"]


class Journal:
    def __init__(self, path):
        lines = pathlib.Path(path).read_text().splitlines()
        records = [json.loads(line) for line in lines if line.strip()]
        # Requests that nobody answered: each may be in the table, or may not.
        self.unheard = [record for record in records if record.get("http") == "unheard"]
        self.records = [record for record in records if record.get("http") != "unheard"]
        # Of what came over HTTP a producer knows no place, only the event.
        self.placed = {place(record): record for record in self.records if "http" not in record}


class Check:
    def __init__(self, arguments):
        self.findings = []
        self.journal = Journal(arguments.journal)
        self.events = Table(pathlib.Path(arguments.data) / "lake" / "usage_events")
        self.rows = list(self.events.rows(ROW))
        self.gaps = [gap.rsplit(":", 3) for gap in arguments.gap]
        self.final = Counter()
        self.accepted = {}  # (source, id) -> the row that counts

    def find(self, invariant, text):
        self.findings.append(f"{invariant}: {text}")

    @staticmethod
    def declares_gap(row):
        """A row that stands for records which nobody can read any more, and for none that was read."""
        return row["status"] == "dead" and row["reason"] == "gap"

    def declared(self):
        """Every gap that the test knows of has its row, and no other has one."""
        rows = sorted(place_of(row) for _, row in self.rows if self.declares_gap(row))
        known = sorted((f"{topic}/{partition}@0", int(first))
                       for topic, partition, first, _ in self.gaps)
        if rows != known:
            self.find("I1", f"gaps are declared at {rows}, known are {known}")

    def lost(self, name, position):
        return any(name == f"{topic}/{partition}@0" and int(first) <= position < int(last)
                   for topic, partition, first, last in self.gaps)

    def places(self):
        """I2, and of I1 that the table holds what was produced and nothing else."""
        seen, origins = Counter(), {}
        for version, row in self.rows:
            if self.declares_gap(row):
                continue
            seen[row["origin"], row["position"], row["part"]] += 1
            origins.setdefault(row["origin"], set()).add(row["position"])
        for key, count in seen.items():
            if count > 1:
                self.find("I2", f"{key} stands in the table {count} times")
        found = {place_of(row) for _, row in self.rows
                 if row["origin"].split(":")[0] in ("kafka", "file") and not self.declares_gap(row)}
        for at in sorted(self.journal.placed.keys() - found):
            if not self.lost(*at):
                self.find("I1", f"{at} was produced and is not in the table")
        for at in sorted(found - self.journal.placed.keys()):
            self.find("I1", f"{at} is in the table and was never produced")
        for origin, positions in origins.items():
            if origin.split(":")[0] not in ("kafka", "file"):
                continue
            name = place_of({"origin": origin, "position": 0})[0]
            own = range(min(positions), max(positions) + 1)
            for position in sorted(set(own) - positions):
                blank = origin.startswith("file:")  # blank lines count, but are no records
                if not blank and not self.lost(name, position):
                    self.find("I2", f"{name}: {position} is missing between those that are there")
            if self.events.txns.get(origin, 0) < max(positions) + 1:
                self.find("I2", f"{name}: txn {self.events.txns.get(origin)} is behind "
                                f"{max(positions)}")
        self.per_commit()

    def per_commit(self):
        """Rows and the offsets they advance to are one commit."""
        for version, adds, moved in self.events.commits:
            ends = {}
            for at, row in self.rows:
                if at == version and not self.declares_gap(row):
                    ends[row["origin"]] = max(ends.get(row["origin"], -1), row["position"])
            for origin, end in ends.items():
                if moved and origin in moved and moved[origin] < end + 1:
                    self.find("I2", f"commit {version} holds {origin} up to {end}, "
                                    f"its txn says {moved[origin]}")

    def statuses(self):
        """I3, and the final counts of I1."""
        for version, row in self.rows:
            word = row["status"]
            key = (row["source"], row["event_id"])
            if word == "accepted":
                if key not in self.accepted:
                    self.accepted[key] = row
                else:
                    same = self.accepted[key]["content_hash"] == row["content_hash"]
                    word = "duplicate" if same else "conflict"
            if not self.declares_gap(row):
                self.final[word] += 1
        for version, row in self.rows:
            key = (row["source"], row["event_id"])
            if row["status"] in ("duplicate", "conflict") and key not in self.accepted:
                self.find("I3", f"{key} is a {row['status']} of nothing")

    def heard_of(self):
        """Of the requests that nobody answered those that were committed: what stands in the table
        more often than it was answered, and no more often than it was sent."""
        came = Counter(http_key(row["source"], row["event_id"]) if row["status"] != "dead" else "dead"
                       for _, row in self.rows if row["origin"].startswith("http:"))
        for record in self.journal.records:
            if "http" in record:
                came[http_key_of(record)] -= 1
        found = []
        for record in self.journal.unheard:
            key = http_key_of(record)
            if came[key] > 0:
                came[key] -= 1
                found.append(record)
        for key, more in came.items():
            if more > 0:
                self.find("I2", f"{key} came over HTTP {more} times more than it was sent")
            if more < 0:
                self.find("I1", f"{key} was answered {-more} times more than it is in the table")
        return found

    def expected(self):
        """The final counts, from the journal alone but for what nobody answered, and the events that
        count."""
        wanted, deliveries = Counter(), {}
        self.heard = self.heard_of()
        for record in self.journal.records + self.heard:
            if "http" not in record and self.lost(*place(record)):
                continue
            if "dead" in record:
                wanted["dead"] += 1
                self.judge_dead(record)
                continue
            event = bill.parse(record["value"])
            if event is None:
                raise ValueError(f"the journal holds no event: {record}")
            deliveries.setdefault((event["source"], event["id"]), []).append((record, event))
        events = []
        for key, several in deliveries.items():
            wanted["accepted"] += 1
            winner = self.winner(key, several)
            same = sum(1 for _, event in several if event == winner)
            wanted["duplicate"] += same - 1
            wanted["conflict"] += len(several) - same
            events.append(winner)
        for word in FINAL:
            if self.final[word] != wanted[word]:
                self.find("I1", f"{wanted[word]} {word} by the journal, {self.final[word]} by the "
                                "table")
        if sum(self.final.values()) != sum(wanted.values()):
            self.find("I1", f"produced {sum(wanted.values())} is not {dict(self.final)}")
        return wanted, events

    def winner(self, key, several):
        """What counts of a key: the delivery at the place of the row that was accepted."""
        row = self.accepted.get(key)
        if row is None:
            self.find("I1", f"{key} was produced and is accepted nowhere")
            return several[0][1]
        at = place_of(row)
        for record, event in several:
            if "http" not in record and place(record) == at:
                return event
        if all("http" not in record for record, _ in several):
            self.find("I3", f"{key} is accepted at {at}, where something else was produced")
        return several[0][1]

    def judge_dead(self, record):
        if not hasattr(self, "by_place"):
            self.by_place = {place_of(row): row for _, row in self.rows}
        row = None if "http" in record else self.by_place.get(place(record))
        if row is None:
            return
        if row["status"] != "dead" or record["dead"] not in ("any", row["reason"]):
            self.find("I1", f"{place(record)} is {row['status']} {row['reason']}, not dead "
                            f"{record['dead']}")

    def money(self, arguments, events):
        """I4."""
        book = bill.Book(arguments.book)
        expected = book.amounts(bill.usage(events, arguments.period))
        run = json.loads(pathlib.Path(arguments.run).read_text())
        rated = self.rated(arguments, run)
        for key in sorted(expected.keys() | rated.keys()):
            if key not in expected or key not in rated:
                where = "was rated and never used" if key in rated else "was used and never rated"
                self.find("I4", f"{key} {where}")
                continue
            wanted, lines = expected[key], rated[key]
            used = sum(line[0] for line in lines)
            if used != wanted[0]:
                self.find("I4", f"{key}: {wanted[0]} were used, {used} rated")
            top, below = total_of([line[1:] for line in lines])
            if bill.times(top, wanted[2]) != bill.times(wanted[1], below):
                self.find("I4", f"{key}: worth {wanted[1]}/{wanted[2]}, rated {top}/{below}")
        if run["unassigned"] or run["parked"]:
            self.find("I4", f"unassigned {run['unassigned']}, parked {run['parked']}")
        self.invoiced(arguments, run, rated)
        return expected

    def rated(self, arguments, run):
        lines = Table(pathlib.Path(arguments.data) / "lake" / "rated_lines")
        columns = ["account", "meter", "currency", "quantity", "amount_numerator",
                   "amount_denominator"]
        found = {}
        for _, row in lines.rows(columns, {"run": run["run"]}):
            key = (row["account"], row["meter"], row["currency"])
            found.setdefault(key, []).append(
                (row["quantity"], row["amount_numerator"], row["amount_denominator"]))
        return found

    def invoiced(self, arguments, run, rated):
        """The charges are the rated amounts: nothing besides, nothing left out, rounded once."""
        charged = {}
        for invoice in json.loads(pathlib.Path(arguments.invoices).read_text()):
            if invoice["run"] != run["run"]:
                self.find("I4", f"{invoice['id']} is of run {invoice['run']}")
            net = 0
            for charge in invoice["charges"]:
                exact = charge["exact"]
                key = (invoice["account"]["id"], charge["meter"], exact["currency"])
                top, below = Decimal(exact["numerator"]), Decimal(exact["denominator"])
                charged.setdefault(key, []).append((top, below))
                # Half away from zero; nothing here is negative.
                rounded = (200 * int(top) + int(below)) // (2 * int(below))
                if rounded != minor(charge["net"]):
                    self.find("I4", f"{key}: {top}/{below} is charged as {charge['net']}")
                net += minor(charge["net"])
            if net != minor(invoice["net"]):
                self.find("I4", f"{invoice['id']}: charges sum to {net}, net {invoice['net']}")
        for key in sorted(charged.keys() | rated.keys()):
            one = [(n, d) for _, n, d in rated.get(key, [])]
            if total_of(one) != total_of(charged.get(key, [])):
                self.find("I4", f"{key}: rated {one}, charged {charged.get(key)}")


def http_key(source, event_id):
    return f"{source} {event_id}"


def http_key_of(record):
    if "dead" in record:
        return "dead"
    event = bill.parse(record["value"])
    return http_key(event["source"], event["id"])


def minor(money):
    """The book's currency has two decimals."""
    return int(bill.times(Decimal(money["amount"]), 100))


def total_of(parts):
    """A sum of fractions in lowest terms, as (numerator, denominator)."""
    top, below = 0, 1
    for numerator, denominator in parts:
        top, below = top * int(denominator) + int(numerator) * below, below * int(denominator)
        common = math.gcd(top, below)
        top, below = top // common, below // common
    return top, below


def main():
    parser = argparse.ArgumentParser()
    for name in ("data", "journal", "book", "period"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--run")
    parser.add_argument("--invoices")
    parser.add_argument("--gap", action="append", default=[])
    parser.add_argument("--refused", action="store_true")
    arguments = parser.parse_args()
    check = Check(arguments)
    check.declared()
    check.places()
    check.statuses()
    wanted, events = check.expected()
    if not arguments.refused:
        check.money(arguments, events)
    print(json.dumps({
        "produced": len(check.journal.records) + len(check.heard),
        "unheard": len(check.journal.unheard),
        "final": {word: check.final[word] for word in FINAL},
        "lost": max(0, wanted["accepted"] - check.final["accepted"]),
        "doubled": max(0, check.final["accepted"] - wanted["accepted"])
        + sum("stands in the table" in finding for finding in check.findings),
        "mispriced": sum(finding.startswith("I4") for finding in check.findings),
        "orphans": check.events.orphans(),
        "commits": len(check.events.commits),
        "findings": len(check.findings),
    }))
    for finding in check.findings[:FINDINGS_SHOWN_MAX]:
        print(finding, file=sys.stderr)
    sys.exit(1 if check.findings else 0)


if __name__ == "__main__":
    main()
