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
        seen = {piece["resource"] if name is None else piece["attributes"].get(name)
                for piece in pieces}
        return Fraction(len(seen - {None}))
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
    if kind == "max":
        return max(piece["units"] for piece in pieces)
    return max(pieces, key=lambda piece: piece["micros"])["units"]


def window_means(pieces, calendar, held, seconds):
    means = []
    for start, end in calendar.windows(seconds):
        if held:
            used = sum(piece["units"] * (min(end, piece["end"]) - max(start, piece["start"]))
                       for piece in pieces if piece["start"] < end and piece["end"] > start)
        else:
            used = sum(piece["units"] for piece in pieces if start <= piece["start"] < end)
        means.append(Fraction(used) / seconds)
    return means


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
