"""The account stage of `rating.py`: priced pieces -> items -> lines -> fees -> adjustments."""

import json
from fractions import Fraction

import measures
import models
import prices


class Parked(Exception):
    """Nothing of the account is billed."""


class Line:
    def __init__(self, amount, terms, meter=None, service=None, rate=None, piece=None, window=None,
                 fee=False, kind="usage"):
        self.amount, self.terms, self.meter, self.service = amount, terms, meter, service
        self.rate, self.window, self.fee, self.kind = rate, window, fee, kind
        piece = piece or {}
        self.resource = piece.get("resource")
        self.project, self.site = piece.get("project"), piece.get("site")

    def member(self, pool):
        return None if pool == "account" else getattr(self, pool)


class Account:
    def __init__(self, book, account, usage):
        self.book, self.account, self.usage = book, account, usage
        self.calendar = usage.calendar
        self.lines = []

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
            if nothing and not self.counts_nothing(meter):
                continue
            rate = next((rate for rate in terms.rates
                         if rate.meter == meter and rate.applies(piece)), None)
            if rate is not None:
                found = True
                yield self.on_rate(piece, terms, meter, derived, rate, early)
        if not found and piece["meter"] not in terms.included and not early and not nothing:
            raise Parked(f"{piece['meter']} has no price")

    def counts_nothing(self, meter):
        measure = self.measure(meter)
        return bool(measure) and measure["measure"] in ("count", "max", "latest", "unique")

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

    def price(self, pieces):
        items = {}
        for piece in pieces:
            epoch = max(start for _, start in piece["terms"].key)
            key = (epoch, piece["window"] or 0, piece["terms"].tariff["id"], piece["rate"].same,
                   piece["project"] or "", piece["resource"], piece["site"] or "",
                   json.dumps(piece["attributes"], sort_keys=True))
            items.setdefault((key, id(piece["rate"]), piece["terms"].key), []).append(piece)
        ordered = sorted(items.values(), key=lambda own: (
            max(start for _, start in own[0]["terms"].key),
            min(piece["start"] for piece in own), own[0]["project"] or "", own[0]["resource"],
            own[0]["site"] or "", json.dumps(own[0]["attributes"], sort_keys=True)))
        pools = {}
        for own in ordered:
            rate, piece = own[0]["rate"], own[0]
            member = None if rate.pool == "account" else piece[rate.pool]
            pools.setdefault((piece["terms"].tariff["id"], rate.same, member, piece["window"]),
                             []).append(own)
        taken = {}
        after = {id(own): self.allowed(own, taken) for own in ordered
                 if self.measure(own[0]["meter"]) is None}
        for own in pools.values():
            self.price_pool(own, after)

    def allowed(self, own, taken):
        """The units of an item after allowances, in smallest parts x seconds."""
        piece = own[0]
        units = self.book.meters[piece["meter"]][4]
        unit = units[piece["rate"].unit] * piece["per"]
        left = sum(part["units"] * (part["seconds"] or 1) for part in own) * units[
            piece["rate"].unit]
        for row in piece["terms"].adjustments:
            if row["adjust"] != "allowance" or not self.in_scope(row, piece["meter"], piece["rate"]):
                continue
            free = Fraction(row["quantity"]) * units[row["unit"]] * (unit // units[
                piece["rate"].unit])
            pool = row.get("pool", "account")
            key = (row["name"], piece["meter"], None if pool == "account" else piece[pool],
                   piece["window"] if row.get("windows") else None)
            low = taken.get(key, Fraction(0))
            taken[key] = low + left
            left = max(Fraction(0), low + left - free) - max(Fraction(0), low - free)
        return left

    def beyond(self, piece, measured, taken):
        """Of the units of a measure, those beyond the account's allowances."""
        units = self.book.meters[piece["meter"]][4]
        for row in piece["terms"].adjustments:
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
        piece = own[0]
        service = self.book.meters[piece["meter"]][0]
        self.lines.append(Line(amount, piece["terms"], piece["meter"], service,
                               piece["rate"].name, piece, piece["window"]))

    def by_position(self, items, parts):
        total, position = sum(parts), Fraction(0)
        for own, part in zip(items, parts):
            piece = own[0]
            rate = piece["rate"]
            unit = self.book.meters[piece["meter"]][4][rate.unit]
            unit *= piece["per"] if piece["seconds"] is not None else 1
            low, high, whole = (models.to_step(value / unit, rate.rounding)
                                for value in (position, position + part, total))
            self.line(own, models.worth(rate, high, whole) - models.worth(rate, low, whole))
            position += part

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
        return number if row["basis"] == "total" else piece["units"] * self.weight(piece) * number

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
        for own, part in zip(groups.values(), parts):
            low, high, whole = (models.to_step(value, rate.rounding)
                                for value in (position, position + part, sum(parts)))
            self.line(own, models.worth(rate, high, whole) - models.worth(rate, low, whole))
            position += part

    # --- What is due without usage

    def epochs(self):
        """(start, end, terms) within the month."""
        cuts = sorted({self.calendar.start, self.usage.until, *(
            cut for cut in self.book.cuts(self.account)
            if self.calendar.start < cut < self.usage.until)})
        found = []
        for start, end in zip(cuts, cuts[1:]):
            terms = self.terms_at(start)
            if terms is None:
                continue
            if found and found[-1][2] is terms and found[-1][1] == start:
                start = found.pop()[0]
            found.append((start, end, terms))
        return found

    def zero_usage(self, pieces):
        used = {(piece["terms"].tariff["id"], piece["rate"].same) for piece in pieces}
        for _, _, terms in self.epochs():
            for rate in terms.rates:
                key = (terms.tariff["id"], rate.same)
                # Nobody knows the projects, sites and resources of no usage.
                if rate.pool == "account" and rate.row.get("zero_usage") == "first-flat" \
                        and key not in used:
                    used.add(key)
                    flat = models.tiers_of(rate.row)[0][3]
                    service = self.book.meters[rate.meter][0]
                    self.lines.append(Line(flat, terms, rate.meter, service, rate.name))

    def fees(self, pieces):
        monthly = {}
        once = set()
        for start, end, terms in self.epochs():
            for fee in terms.fees:
                if fee.get("every", "month") == "month":
                    key = (terms.tariff["id"], fee["name"])
                    monthly.setdefault(key, []).append((start, end, terms, fee))
                elif (terms.tariff["id"], fee["name"]) not in once:
                    once.add((terms.tariff["id"], fee["name"]))
                    if self.comes_into_force(terms, start):
                        self.fee(fee, terms, self.fee_amount(fee, pieces))
        for spells in monthly.values():
            for (_, _, terms, fee), part in zip(spells, self.parts(spells)):
                self.fee(fee, terms, self.fee_amount(fee, pieces) * part)

    def fee(self, fee, terms, amount):
        if amount:
            self.lines.append(Line(amount, terms, service=fee["service"], fee=True))

    def comes_into_force(self, terms, start):
        """Whether the account is not on this tariff just before."""
        before = self.book.terms(self.account, start - 1)
        return before is None or before.tariff["id"] != terms.tariff["id"]

    def fee_amount(self, fee, pieces):
        if "tiers" not in fee:
            return Fraction(fee["amount"])
        used = {}
        for piece in pieces:
            used.setdefault(piece["meter"], []).append(piece)
        for tier in fee["tiers"]:
            if all(self.units_used(meter, used.get(meter, [])) <= Fraction(most)
                   for meter, most in tier.get("up_to", {}).items()):
                return Fraction(tier["amount"])
        raise Parked("more units than the last tier holds")

    def units_used(self, meter, pieces):
        """In base units: what was consumed."""
        units = self.book.meters[meter][4]
        return sum((piece["units"] * units[piece["rate"].unit] for piece in pieces), Fraction(0))

    def parts(self, spells):
        """Of a monthly price, what is due for each time in which a version of it is in force. Times
        between which nothing of it changes are one, and stand with the first."""
        parts, counted, past = [], 0, 0
        for number, (start, end, _, row) in enumerate(spells):
            if number and row is spells[number - 1][3] and spells[number - 1][1] == start:
                parts.append(Fraction(0))
                continue
            for after in spells[number + 1:]:
                if after[3] is not row or after[0] != end:
                    break
                end = after[1]
            proration = row.get("proration", {"by": "second"})
            by = proration if isinstance(proration, str) else proration["by"]
            if by == "none":
                parts.append(Fraction(1 if number == 0 else 0))
            elif by == "second":
                parts.append(Fraction(end - start, self.calendar.seconds))
            else:
                proration = {} if isinstance(proration, str) else proration
                # A day begun is a whole one; one that two share is the first's.
                days = self.day_of(end - 1) + 1 - max(past, self.day_of(start))
                past = max(past, self.day_of(end - 1) + 1)
                parts.append(self.days_share(counted, counted + max(0, days), proration))
                counted += max(0, days)
        return parts

    def day_of(self, at):
        return sum(1 for midnight in self.calendar.midnights[1:] if midnight <= at)

    def days_share(self, first, last, proration):
        days = len(self.calendar.midnights) - 1
        if proration.get("count") == "thirty":
            # The whole month is the whole price, also of 31 days and of 28.
            first, last = (30 if day == days else min(day, 30) for day in (first, last))
            days = 30
        ratio = Fraction(last - first, days)
        if "decimals" in proration:
            step = Fraction(1, 10 ** proration["decimals"])
            ratio = models.to_step(ratio, (step, proration.get("rounding", "half-away-from-zero")))
        return ratio

    # --- Adjustments

    def in_scope(self, row, meter, rate):
        names = [("meters", meter), ("rates", rate.name), ("services", self.book.meters[meter][0])]
        return all(value in row[key] for key, value in names if row.get(key))

    def bears_on(self, row, line):
        named = any(row.get(key) for key in ("meters", "services", "rates"))
        if line.fee:
            return not named or bool(row.get("fees"))
        values = {"meters": line.meter, "services": line.service, "rates": line.rate}
        return all(value in row[key] for key, value in values.items() if row.get(key))

    def adjust(self):
        listed = {}
        for start, end, terms in self.epochs():
            for row in terms.adjustments:
                if row["adjust"] != "allowance":
                    key = (terms.tariff["id"], row["name"], row["adjust"])
                    listed.setdefault(key, []).append((start, end, terms, row))
        for spells in listed.values():
            pools, row = {}, spells[0][3]
            for line in self.lines:
                own = next((own for _, _, terms, own in spells if terms.key == line.terms.key), None)
                if own is not None and self.bears_on(own, line):
                    window = line.window if row.get("windows") else None
                    key = (line.member(row.get("pool", "account")), window)
                    pools.setdefault(key, []).append((line, own))
            if row.get("pool", "account") == "account" and not row.get("windows"):
                pools.setdefault((None, None), [])
            for own in pools.values():
                self.adjust_pool(row, spells, own)

    def adjust_pool(self, row, spells, found):
        lines = [line for line, _ in found]
        total = sum((line.amount for line in lines), Fraction(0))
        kind = row["adjust"]
        if kind == "discount":
            due = sum((line.amount * (1 - prices.share(own["percent"])) for line, own in found),
                      Fraction(0))
        elif kind == "credit":
            due = total - min(total, Fraction(row["amount"]))
        else:
            amount = sum((Fraction(own["amount"]) * part for (_, _, _, own), part in zip(
                spells, self.parts(spells))), Fraction(0))
            due = (max(total, amount) if kind == "minimum" else min(total, amount)
                   if kind == "maximum" else self.committed(row, total, amount))
        if due == total:
            return
        if not lines:
            self.lines.append(Line(due, spells[0][2], kind="adjustment"))
        self.place(found, due, total)

    def committed(self, row, total, amount):
        over = max(Fraction(0), total - amount) * Fraction(row.get("overage", 1))
        covered = min(total, amount)
        if row.get("prepaid"):
            return over
        return over + (amount if row.get("true_up") else covered)

    def place(self, found, due, total):
        """What is taken off or added stands beside the lines it bears on, so that later steps that
        bear on all of them see the same sums. A discount stands with each line of its own."""
        for line, own in found:
            if own["adjust"] == "discount":
                part = -line.amount * prices.share(own["percent"])
            else:
                part = (due - total) * (line.amount / total if total else Fraction(1, len(found)))
            more = Line(part, line.terms, line.meter, line.service, line.rate, None, line.window,
                        line.fee, "adjustment")
            more.resource, more.project, more.site = line.resource, line.project, line.site
            self.lines.append(more)
