"""Measures other than a total, and holding times, for `rating.py`."""

from fractions import Fraction
from math import ceil


def steps(pieces):
    """(start, end, quantity) of what is held by all of these at a time."""
    changes = {}
    for piece in pieces:
        for at, sign in ((piece["start"], 1), (piece["end"], -1)):
            changes[at] = changes.get(at, 0) + sign * piece["units"]
    found, now = [], Fraction(0)
    edges = sorted(changes)
    for at, after in zip(edges, edges[1:]):
        now += changes[at]
        found.append((at, after, now))
    return found


def measured(measure, pieces, calendar, until, held):
    """The units of a measure over some usage of a month."""
    kind = measure["measure"]
    if kind == "count":
        return Fraction(sum(1 for piece in pieces if piece.get("begins") or not held))
    if kind == "unique":
        name = measure.get("attribute")
        seen = {}
        for piece in pieces:
            value = piece["resource"] if name is None else piece["attributes"].get(name)
            seen[value] = seen.get(value, 0) + (-1 if piece["units"] < 0 and not held else 1)
        return Fraction(sum(1 for value, count in seen.items() if value is not None and count > 0))
    if kind in ("peak", "percentile"):
        means = window_means(pieces, calendar, held, measure["seconds"])
        if kind == "peak":
            return max(means)
        rank = max(1, ceil(Fraction(int(measure["percent"]), 100) * len(means)))
        return sorted(means)[rank - 1]
    if held:
        levels = steps(pieces)
        if kind == "max":
            return max((units for _, _, units in levels), default=Fraction(0))
        return sum((units for _, end, units in levels if end == until), Fraction(0))
    left = [piece for own in by_resource(pieces) for piece in without_reversed(own, kind)]
    if kind == "max":
        return max((piece["units"] for piece in left), default=Fraction(0))
    return max(left, key=lambda piece: piece["micros"], default={"units": Fraction(0)})["units"]


def by_resource(pieces):
    found = {}
    for piece in pieces:
        found.setdefault(piece["resource"], []).append(piece)
    return found.values()


def without_reversed(events, kind):
    """Less than nothing takes away the last event before it that was of so much; to a maximum it does
    not matter which came first."""
    left = []
    for event in sorted(events, key=lambda event: (kind == "max" and event["units"] < 0,
                                                   event["micros"])):
        if event["units"] >= 0:
            left.append(event)
            continue
        same = [number for number, known in enumerate(left) if known["units"] == -event["units"]]
        if not same:
            raise ValueError("a reversal of nothing")
        del left[same[-1]]
    return left


def window_means(pieces, calendar, held, seconds):
    means = []
    for start, end in calendar.windows(seconds):
        used = Fraction(0)
        for piece in pieces:
            if "part" in piece:
                used += evenly(piece, start * 1_000_000, end * 1_000_000)
            elif piece["end"] is not None:
                used += piece["units"] * max(0, min(end, piece["end"]) - max(start, piece["start"]))
            elif start <= piece["start"] < end:
                used += piece["units"] * (piece["seconds"] if held else 1)
        means.append(used / (end - start))
    return means


def evenly(piece, start, end):
    """What of a report lies in the window, as used evenly over its own: what has come by the end less
    what had come by the start, both in whole smallest parts."""
    total = piece["units"] / piece["smallest"] * (1 if piece["seconds"] is None else piece["seconds"])
    first, last = piece["report"]
    start, end = max(start, piece["part"][0]), min(end, piece["part"][1])
    if start >= end:
        return 0
    by_start, by_end = (int(total * Fraction(at - first, last - first)) for at in (start, end))
    return (by_end - by_start) * piece["smallest"]


def holdings(pieces):
    """Pieces of one resource and meter, grouped where one ends as the next begins."""
    found = []
    for piece in sorted(pieces, key=lambda piece: piece["start"]):
        if found and found[-1][-1]["end"] == piece["start"]:
            found[-1].append(piece)
        else:
            found.append([piece])
    return found


def lengthen(holding, inside, first, last, minimum, step):
    """Adds to the last piece of a holding in the month what it is billed beyond its seconds: in the
    month in which it begins, what all of it falls short of the minimum; in that in which it ends, the
    step begun, counted from its start or the month's. Where both bear on one month the longer counts."""
    start, end = holding[0]["start"], holding[-1]["end"]
    more = 0
    if start >= first:
        more = max(0, minimum - (end - start))
    if end <= last and step > 1:
        seconds = end - max(start, first)
        more = max(more, -(-seconds // step) * step - seconds)
    inside[-1]["seconds"] += more
    inside[-1]["end"] += more
