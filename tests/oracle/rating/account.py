"""The account stage of `rating.py` up to prices: pieces -> items -> lines. `due.py` does the rest."""

from fractions import Fraction

import due
import measures
import models
import prices
import usage
from due import Line, Parked

# Prices that look at units one behind the other.
COUNTS = {"graduated", "volume", "package", "percentage", "graduated-percentage", "blocks"}
DETAILS = ["resource", "project", "account"]


class Account(due.Due):
    def __init__(self, book, account, usage):
        self.book, self.account, self.usage = book, account, usage
        self.calendar = usage.calendar
        self.lines, self.freed = [], set()
        self.epochs = self.found_epochs()

    def rated(self):
        """Exact lines of the month."""
        pieces = [found for piece in self.usage.pieces for found in self.priced(piece)]
        pieces = self.held_long_enough(pieces)
        self.price(pieces)
        self.zero_usage(pieces)
        self.fees(pieces)
        self.adjust()
        return self.lines

    # --- From usage to what each piece is priced by

    def terms_at(self, at):
        terms = self.book.terms(self.account, at)
        if terms is None:
            return None
        currency = self.account.get("currency")
        if currency is None or terms.tariff.get("currency") != currency:
            raise Parked("currency")
        return terms

    def priced(self, piece):
        early = not self.calendar.start <= piece["start"] < self.calendar.end
        held = piece["seconds"] is not None
        # An event of nothing is one event all the same.
        nothing = piece["quantity"] == 0
        if piece["seconds"] == 0 or nothing and held:
            return
        try:
            terms = self.terms_at(piece["start"])
        except Parked:
            if early:
                return
            raise
        if terms is None or piece["meter"] not in self.book.meters:
            if not early and (not nothing or any(self.counts_nothing(meter) for meter, _ in
                                                 self.meters_of(piece["meter"]))):
                raise Parked("no tariff, or no such meter")
            return
        hold = terms.hold.get(piece["meter"], prices.HOLD[self.book.meters[piece["meter"]][3]])
        if held and piece["state"] not in hold:
            return
        found = False
        for meter, derived in self.meters_of(piece["meter"]):
            if nothing and not self.counts_nothing(meter, terms.rates):
                continue
            whole = "part" in piece or piece["report"] is None or not self.is_over_windows(meter)
            if "part" in piece and not self.is_over_windows(meter):
                continue
            rate = next((rate for rate in terms.rates
                         if rate.meter == meter and rate.applies(piece)), None)
            if rate is not None:
                found = True
                if not whole or nothing and not self.counts_nothing(meter, [rate]):
                    continue
                yield self.on_rate(piece, terms, meter, derived, rate, early)
        known = early or nothing or "part" in piece
        if not found and piece["meter"] not in terms.included and not known:
            raise Parked(f"{piece['meter']} has no price")

    def counts_nothing(self, meter, rates=()):
        """Whether an event of nothing is one: to the measure, or to the price of any of the rates."""
        measure = self.measure(meter)
        if measure and measure["measure"] in ("count", "max", "latest", "unique"):
            return True
        return any(rate.row.get("basis") == "total" if rate.model == "dynamic" else
                   rate.model == "percentage" and any(
                       name in rate.row for name in ("free_events", "minimum", "maximum")) or
                   rate.model == "percentage" and Fraction(rate.row.get("fixed", 0)) != 0
                   for rate in rates if rate.meter == meter)

    def is_over_windows(self, meter):
        measure = self.measure(meter)
        return bool(measure) and measure["measure"] in ("peak", "percentile")

    def meters_of(self, meter):
        yield meter, None
        for name, row in self.book.measures.items():
            if row.get("of") == meter:
                yield name, row

    def on_rate(self, piece, terms, meter, derived, rate, early):
        _, scale, _, _, units = self.book.meters[meter]
        quantity = Fraction(piece["quantity"], 10 ** self.book.meters[piece["meter"]][1])
        if derived is not None:
            factor = self.book.factor(derived, piece)
            if factor is None:
                if not early:
                    raise Parked("no such host class")
                factor = Fraction(0)
            quantity *= factor
        window = rate.window and self.calendar.window_start(piece["start"], rate.window)
        return {**piece, "terms": terms, "meter": meter, "rate": rate, "window": window,
                "units": quantity / units[rate.unit], "early": early,
                "smallest": Fraction(1, units[rate.unit] * 10 ** scale),
                "per": prices.SECONDS.get(rate.per) or self.calendar.seconds}

    def measure(self, meter):
        row = self.book.measures.get(meter, {})
        if row.get("measure", "total") == "total":
            return None
        seconds = prices.length(row["window"]) if "window" in row else None
        return {**row, "seconds": seconds}

    # --- Holding times

    def held_long_enough(self, pieces):
        first, last = self.calendar.start, self.calendar.end
        by_holder = {}
        for piece in pieces:
            if piece["end"] is not None:
                by_holder.setdefault((piece["resource"], piece["meter"]), []).append(piece)
        for (_, meter), own in by_holder.items():
            for holding in measures.holdings(own):
                holding[0]["begins"] = True
                inside = [piece for piece in holding if first <= piece["start"] < last]
                if inside and holding[-1]["ended"]:
                    minimum = holding[0]["terms"].holding.get(meter, (0, 0))[0]
                    step = inside[-1]["terms"].holding.get(meter, (0, 0))[1]
                    measures.lengthen(holding, inside, first, last, minimum, step)
        return [piece for piece in pieces if not piece["early"]]

    # --- Items and their places in their pools

    def subject(self, piece):
        """(project, resource, attributes) of the line that a piece stands on: what the account's tariff
        says, no wider than a rate counts its units over, nor narrower than a measure is taken over."""
        rate, measure = piece["rate"], self.measure(piece["meter"])
        detail = DETAILS.index(piece["terms"].detail)
        if rate.model in COUNTS or rate.rounding:
            detail = min(detail, {"resource": 0, "project": 1}.get(rate.pool, 2))
        if measure is not None:
            over = measure.get("over", "resource")
            detail = max(detail, {"resource": 0, "project": 1}.get(over, 2))
        if detail == 1 and piece["project"] is None:
            detail = 2
        attributes = dict(piece["attributes"])
        if detail == 0:
            if rate.model == "dynamic":
                attributes.pop(rate.row["attribute"], None)
            return piece["project"], piece["resource"], attributes
        attributes = {key: value for key, value in attributes.items() if key in rate.where}
        if detail == 1:
            return piece["project"], f"project:{piece['project']}", attributes
        return None, f"account:{self.account['id']}", attributes

    def key(self, piece):
        """What is the same for all usage of a line, in the order in which lines stand."""
        project, resource, attributes = self.subject(piece)
        service = self.book.meters[piece["meter"]][0]
        number = piece["terms"].rates.index(piece["rate"])
        return ((service, project or "", resource, piece["meter"], piece["site"] or "",
                 sorted(attributes.items()), piece["rate"].tariff), (number, piece["window"] or 0))

    def price(self, pieces):
        items = {}
        for piece in pieces:
            items.setdefault((piece["terms"].key, repr(self.key(piece))), []).append(piece)
        # In rating order: by first use, then by key.
        ordered = sorted(items.values(), key=lambda own: (
            min(piece["start"] for piece in own), self.key(own[0])))
        pools = {}
        for own in ordered:
            rate, piece = own[0]["rate"], own[0]
            member = None if rate.pool == "account" else piece[rate.pool]
            pools.setdefault((piece["terms"].tariff["id"], rate.same, member, piece["window"]),
                             []).append(own)
        after = self.after_allowances([
            own for own in ordered if self.measure(own[0]["meter"]) is None])
        pools = [self.by_version(own) for own in pools.values()]
        self.take_rounded([own for own in ordered if id(own) in after], pools, after)
        for own in pools:
            self.price_pool(own, after)

    def by_version(self, items):
        """Units count on from one version that prices to the next, in the order of their first use."""
        def first(own):
            return min(piece["start"] for piece in own)
        begun = {}
        for own in items:
            version = own[0]["rate"].version
            begun[id(version)] = min(begun.get(id(version), first(own)), first(own))
        def place(own):
            version = own[0]["rate"].version
            return (begun[id(version)], version.start, version.tariff["id"], first(own),
                    self.key(own[0]))
        return sorted(items, key=place)

    def units_of(self, own):
        """Price units x `per`."""
        return sum((part["units"] * self.weight(part) for part in own), Fraction(0))

    def after_allowances(self, items):
        """By item the units after allowances, in base units x seconds."""
        left = {id(own): self.units_of(own) for own in items}
        self.take(items, left, False)
        for own in items:
            units = self.book.meters[own[0]["meter"]][4]
            held = own[0]["seconds"] is not None
            left[id(own)] *= units[own[0]["rate"].unit] * (own[0]["per"] if held else 1)
        return left

    def take_rounded(self, items, pools, after):
        """What allowances take off units as they were rounded: by item, in its own price units."""
        left = {}
        for own in pools:
            parts = [after.get(id(item)) for item in own]
            if None not in parts:
                for item, (low, high, _) in zip(own, self.places(own, parts)):
                    left[id(item)] = high - low
        before = dict(left)
        self.take([own for own in items if id(own) in left], left, True)
        self.taken = {name: before[name] - now for name, now in left.items() if now != before[name]}

    def take(self, items, left, rounded):
        for series in self.series(lambda terms: terms.adjustments):
            if series.word != "allowance":
                continue
            counted = {}
            for own in items:
                piece = own[0]
                row = series.at.get(self.epoch(min(part["start"] for part in own)))
                if row is None or not self.in_scope(row, piece["meter"], piece["rate"]):
                    continue
                if row.get("after_rounding", False) != rounded:
                    continue
                if row.get("windows") and not piece["rate"].window:
                    continue
                units = self.book.meters[piece["meter"]][4]
                unit = Fraction(units[row["unit"]], units[piece["rate"].unit])
                pool = row.get("pool", "account")
                key = (None if pool == "account" else self.line_of(own).member(pool),
                       piece["window"] if row.get("windows") else None)
                before, free = counted.get(key, (Fraction(0), Fraction(0)))
                now = left[id(own)] / unit
                reach = max(min(before + now, Fraction(row["quantity"])), -Fraction(row["quantity"]))
                taken = max(min(reach - free, max(now, Fraction(0))), min(now, Fraction(0)))
                counted[key] = (before + now, free + taken)
                self.freed |= {id(own)} if taken else set()
                left[id(own)] -= taken * unit

    def beyond(self, piece, measured, taken):
        """Of the units of a measure, those beyond the account's allowances."""
        units = self.book.meters[piece["meter"]][4]
        for _, row in piece["terms"].adjustments:
            if row["adjust"] == "allowance" and self.in_scope(row, piece["meter"], piece["rate"]):
                free = Fraction(row["quantity"]) * units[row["unit"]] / units[piece["rate"].unit]
                low = taken.get(row["name"], Fraction(0))
                taken[row["name"]] = low + measured
                measured = max(Fraction(0), low + measured - free) - max(Fraction(0), low - free)
        return measured

    def price_pool(self, items, after):
        rate = items[0][0]["rate"]
        if self.measure(items[0][0]["meter"]) is not None:
            return self.price_measured(items)
        special = {"series": self.by_series, "dynamic": self.by_attribute,
                   "hashmap": self.by_hashmap}.get(rate.model)
        if special is not None:
            for own in items:
                self.line(own, sum((special(piece) for piece in own), Fraction(0)))
        elif rate.model == "percentage":
            self.by_event(items)
        elif rate.row.get("by") == "held":
            self.by_level(items)
        else:
            self.by_position(items, [after[id(own)] for own in items])

    def line(self, own, amount):
        self.lines.append(self.line_of(own, amount))

    def line_of(self, own, amount=Fraction(0)):
        """A line of an item; of a measure it is as the last usage says."""
        piece, several = own[0], False
        if self.measure(piece["meter"]) is not None:
            piece = max(own, key=lambda part: (part["part"][1] if "part" in part else
                                               (part["end"] or part["start"]) * usage.MICRO,
                                               self.key(part)))
            several = len({part["site"] for part in own}) > 1
        first = min(part["start"] for part in own)
        project, resource, _ = self.subject(piece)
        return Line(amount, service=self.book.meters[piece["meter"]][0], meter=piece["meter"],
                    rate=piece["rate"].name, resource=resource, project=project,
                    site=None if several else piece["site"], window=piece["window"],
                    epoch=self.epoch(first), order=(0, first, self.key(piece)))

    def unit_of(self, piece):
        """Base units x seconds in a price unit."""
        unit = self.book.meters[piece["meter"]][4][piece["rate"].unit]
        return unit * (piece["per"] if piece["seconds"] is not None else 1)

    def places(self, items, parts):
        """(low, high, all) of each item in its price units, as its rate rounds them."""
        total, position = sum(parts), Fraction(0)
        for own, part in zip(items, parts):
            unit = self.unit_of(own[0])
            yield tuple(models.to_step(value / unit, own[0]["rate"].rounding)
                        for value in (position, position + part, total))
            position += part

    def by_position(self, items, parts):
        units = [self.unit_of(own[0]) for own in items]
        taken = [self.taken.get(id(own), 0) * unit for own, unit in zip(items, units)]
        before = Fraction(0)
        for own, unit, free, place in zip(items, units, taken, self.places(items, parts)):
            rate = own[0]["rate"]
            low, high, whole = (value - off / unit for value, off in zip(
                place, (before, before + free, sum(taken))))
            before += free
            amount = models.worth(rate, high, whole) - models.worth(rate, low, whole)
            if rate.model == "volume" and own is items[0]:
                amount += models.volume_flat(rate, whole)
            self.line(own, amount)
            # Units that round to none fall into no tier: there is nothing that a line could say.
            self.lines[-1].is_empty = (self.lists_tiers(rate) and low == high
                                       and id(own) not in self.freed)

    def lists_tiers(self, rate):
        """Whether its lines are tiers with units in them."""
        return rate.model in ("graduated", "graduated-percentage") \
            or rate.row.get("policy") == "all-tiers"

    def by_event(self, items):
        events = sorted(((piece["micros"], number, piece) for number, own in enumerate(items)
                         for piece in own), key=lambda event: event[:2])
        rows = {number: items[number][0]["rate"].row for number in range(len(items))}
        due = [Fraction(0)] * len(items)
        for number in rows:
            amounts = models.percentage(rows[number], [event[2]["units"] for event in events])
            due[number] = sum((amount for amount, event in zip(amounts, events)
                               if event[1] == number), Fraction(0))
        for own, amount in zip(items, due):
            self.line(own, amount)

    def by_level(self, items):
        pieces = [piece for own in items for piece in own]
        levels = [(units, Fraction(end - start, pieces[0]["per"]))
                  for start, end, units in measures.steps(pieces)]
        self.line(items[0], models.at_levels(pieces[0]["rate"], levels))

    def by_series(self, piece):
        price = models.price_at(self.book.series[piece["rate"].row["series"]], piece["start"])
        return piece["units"] * self.weight(piece) * price

    def weight(self, piece):
        return 1 if piece["seconds"] is None else Fraction(piece["seconds"], piece["per"])

    def by_attribute(self, piece):
        row = piece["rate"].row
        number = models.number_of(piece["attributes"].get(row["attribute"]))
        if number is None:
            raise Parked("the event names no price")
        number *= Fraction(row.get("multiplier", 1))
        if row["basis"] != "total":
            return piece["units"] * self.weight(piece) * number
        if piece["units"] == 0 and number != 0:
            raise Parked("an amount for no units")
        # What takes units back takes back the amount, unless it says so itself.
        return -number if piece["units"] < 0 < number else number

    def by_hashmap(self, piece):
        def in_force(cost):
            return prices.in_force(cost, piece["start"])
        cost = models.hashmap(piece["rate"].row, piece["project"], piece["attributes"],
                              piece["units"], in_force)
        return cost * self.weight(piece)

    def price_measured(self, items):
        piece = items[0][0]
        measure, rate = self.measure(piece["meter"]), piece["rate"]
        over = measure.get("over", "resource")
        groups = {}
        for own in items:
            for part in own:
                groups.setdefault(None if over == "account" else part[over], []).append(part)
        held = piece["seconds"] is not None
        position, parts, taken = Fraction(0), [], {}
        for _, own in sorted(groups.items(), key=lambda group: str(group[0])):
            found = measures.measured(measure, own, self.calendar, self.usage.until, held)
            parts.append(self.beyond(piece, found, taken))
        groups = [own for _, own in sorted(groups.items(), key=lambda group: str(group[0]))]
        for own, part in zip(groups, parts):
            low, high, whole = (models.to_step(value, rate.rounding)
                                for value in (position, position + part, sum(parts)))
            amount = models.worth(rate, high, whole) - models.worth(rate, low, whole)
            if rate.model == "volume" and own is groups[0]:
                amount += models.volume_flat(rate, whole)
            self.line(own, amount)
            position += part
