"""Price models for `rating.py`, each from its definition in `schemas/src/tariff/model.rs`.

`worth(rate, units, total)` is what the first `units` of a pool cost; prices that look at each event,
instant or attribute have functions of their own."""

from fractions import Fraction
from math import floor

BY_POSITION = {"per-unit", "graduated", "volume", "package", "graduated-percentage", "blocks"}


def rounded(value, to):
    """A whole number."""
    low = floor(abs(value))
    rest = abs(value) - low
    half = Fraction(1, 2)
    up = rest > 0 and {"up": True, "down": False, "half-away-from-zero": rest >= half,
                       "half-even": rest > half or rest == half and low % 2 == 1}[to]
    return (low + up) * (1 if value >= 0 else -1)


def to_step(value, rounding):
    return value if rounding is None else rounded(value / rounding[0], rounding[1]) * rounding[0]


def tiers_of(row, price="price"):
    """(above, up to and including or None, price, flat fee)"""
    found, above = [], Fraction(0)
    for tier in row["tiers"]:
        up_to = Fraction(tier["up_to"]) if "up_to" in tier else None
        text = tier[price]
        each = Fraction(text.rstrip("%")) / (100 if text.endswith("%") else 1)
        found.append((above, up_to, each, Fraction(tier.get("flat", 0))))
        above = up_to
    return found


def graduated(tiers, units):
    due = Fraction(0)
    for above, up_to, price, flat in tiers:
        if units > above:
            inside = (units if up_to is None else min(units, up_to)) - above
            due += inside * price + flat
    return due


def tier_of(tiers, units):
    for tier in tiers:
        if tier[1] is None or units <= tier[1]:
            return tier
    raise ValueError("more units than the last tier holds")


def volume(tiers, units, total):
    """Without the flat fee, which is due once: under the version used first."""
    return units * tier_of(tiers, abs(total))[2]


def volume_flat(rate, total):
    return tier_of(tiers_of(rate.row), abs(total))[3] * (0 if total == 0 else 1 if total > 0 else -1)


def package(row, price, units):
    paid = max(Fraction(0), units - Fraction(row.get("free", 0)))
    return rounded(paid / Fraction(row["size"]), row.get("rounding", "up")) * price


def blocks(row, units, total):
    """In each tier its blocks; with the top tier, all units in blocks of the tier that all of the pool
    reaches. Less than nothing costs what as much more would, with the other sign."""
    tiers = [(Fraction(tier["size"]), Fraction(tier["price"]), tier.get("blocks_max"))
             for tier in row["tiers"]]
    if row["policy"] == "top-tier":
        size, price = top_of(tiers, abs(total))
        return up(units / size) * price
    due, left, sign = Fraction(0), abs(units), 1 if units >= 0 else -1
    for number, (size, price, most) in enumerate(tiers):
        inside = left if most is None else min(left, size * most)
        due += up(inside / size) * price
        left -= inside
        if left <= 0:
            return due * sign
        if number + 1 == len(tiers):
            raise ValueError("more units than the last tier holds")
    return due * sign


def up(blocks):
    return rounded(blocks, "up")


def top_of(tiers, total):
    above = Fraction(0)
    for size, price, most in tiers:
        if most is None or total <= above + size * most:
            return size, price
        above += size * most
    return tiers[-1][:2]


def worth(rate, units, total):
    row = rate.row
    if rate.model == "per-unit":
        return units * rate.price
    if rate.model == "graduated":
        return graduated(tiers_of(row), units)
    if rate.model == "volume":
        return volume(tiers_of(row), units, total)
    if rate.model == "graduated-percentage":
        return graduated(tiers_of(row, "percent"), units)
    if rate.model == "package":
        return package(row, rate.price, units)
    if rate.model == "blocks":
        return blocks(row, units, total)
    raise ValueError(f"the model {rate.model}")


def percentage(row, events):
    """Amounts of events of one pool, in order, given their units; all of them, so that what is free is
    counted from the first."""
    rate = Fraction(row["percent"].rstrip("%")) / 100
    fixed = Fraction(row.get("fixed", 0))
    free_events, free_units = row.get("free_events"), row.get("free_units")
    limited = free_events is not None or free_units is not None
    left = Fraction(free_units) if free_units is not None else None
    if not any(events) and "minimum" not in row and "maximum" not in row:
        return [Fraction(0) for _ in events]  # who has used nothing pays nothing
    amounts = []
    for number, units in enumerate(events):
        free, reached = Fraction(0), True
        if limited and (free_events is None or number < int(free_events)):
            # The event that reaches the free units is no free one.
            reached = left is not None and units >= left
            free = units if left is None else min(left, units)
            left = None if left is None else left - free
        if not reached:
            amounts.append(Fraction(0))
            continue
        amount = (units - free) * rate + fixed
        if "minimum" in row:
            amount = max(amount, Fraction(row["minimum"]))
        if "maximum" in row:
            amount = min(amount, Fraction(row["maximum"]))
        amounts.append(amount)
    return amounts


def at_levels(rate, levels):
    """Tiers by what is held at each instant. `levels`: (units held, share of `per`)."""
    tiers = tiers_of(rate.row)
    highest = max((units for units, _ in levels), default=Fraction(0))
    if highest <= 0:
        return Fraction(0)
    if rate.model == "volume":
        _, _, price, flat = tier_of(tiers, highest)
        return sum(units * part for units, part in levels) * price + flat
    bare = [(above, up_to, price, Fraction(0)) for above, up_to, price, _ in tiers]
    entered = sum(flat for above, _, _, flat in tiers if highest > above)
    return sum(graduated(bare, units) * part for units, part in levels) + entered


def price_at(points, second):
    """Of a series."""
    found = [price for at, price in points if at <= second]
    if not found:
        raise ValueError("the series has no price yet")
    return found[-1]


def hashmap(row, project, attributes, quantity, in_force):
    """What a quantity costs: groups add up. Within a group the dearest flat price of a unit counts,
    factors multiply, and of thresholds the highest that is reached."""
    groups = {}
    for cost in row["costs"]:
        groups.setdefault(cost.get("group", ""), []).append(cost)
    return sum((group_cost(group, project, attributes, quantity, in_force)
                for group in groups.values()), Fraction(0))


def group_cost(costs, project, attributes, quantity, in_force):
    flat, factor, best = Fraction(0), Fraction(1), None
    chosen = {}
    for cost in costs:
        if not in_force(cost) or cost.get("project", project) != project:
            continue
        # What names the project replaces what is for all.
        key = (cost.get("field"), cost.get("value"), cost.get("at_least"))
        if key not in chosen or "project" in cost:
            chosen[key] = cost
    for (field, value, level), cost in chosen.items():
        is_flat = "cost" in cost
        number = Fraction(cost["cost"] if is_flat else cost["factor"])
        if level is not None:
            seen = quantity if field is None else number_of(attributes.get(field))
            if seen is not None and seen >= Fraction(level) and (
                    best is None or Fraction(level) > best[0]):
                best = (Fraction(level), number, is_flat, field is None)
        elif field is None or attributes.get(field) == value:
            if is_flat:
                flat = max(flat, number)
            else:
                factor *= number
    if best is None:
        return flat * factor * quantity
    _, number, is_flat, of_service = best
    if of_service:
        due = flat * factor * quantity
        return due + number if is_flat else due * number
    flat, factor = (flat + number, factor) if is_flat else (flat, factor * number)
    return flat * factor * quantity


def number_of(text):
    try:
        return None if text is None else Fraction(text)
    except ValueError:
        return None
