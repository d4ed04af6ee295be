"""What is due besides usage, for `account.py`: fees, and adjustments in the order of the list."""

from fractions import Fraction

import models
import prices


class Parked(Exception):
    """Nothing of the account is billed."""


class Line:
    """Of an account; what is of no project, site or resource is in the pool of none."""

    def __init__(self, amount, epoch, order=None, service=None, meter=None, rate=None, resource=None,
                 project=None, site=None, window=None, kind="usage", scope=None, of_account=False):
        self.amount = self.net = amount
        self.epoch, self.order, self.kind, self.scope = epoch, order, kind, scope
        self.service, self.meter, self.rate = service, meter, rate
        self.resource, self.project, self.site, self.window = resource, project, site, window
        self.of_account, self.is_empty = of_account, False

    def member(self, pool):
        return None if pool == "account" else getattr(self, pool)


class Series:
    """A fee or an adjustment over the month: the versions in which it is the same one."""

    def __init__(self, name, word):
        self.name, self.word = name, word
        self.spells = []  # (start, end, row)
        self.at = {}  # by epoch

    def go_on(self, epoch, start, end, row):
        self.at[epoch] = row
        if self.spells and self.spells[-1][1] == start and self.spells[-1][2] is row:
            start = self.spells.pop()[0]
        self.spells.append((start, end, row))


def word_of(row):
    return row.get("adjust") or row.get("every", "month")


def in_force(rate, local):
    return not rate.times or any(prices.in_hours(time, *local) for time in rate.times)


def takes_all_of(earlier, rate):
    """Whether whatever a rate is for is for an earlier one too."""
    return (earlier.meter == rate.meter and earlier.where.items() <= rate.where.items()
            and earlier.place.items() <= rate.place.items())


class Due:
    def found_epochs(self):
        """(start, end, terms): times within the month in which the same versions are in force."""
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

    def epoch(self, at):
        return next((number for number, (start, end, _) in enumerate(self.epochs)
                     if start <= at < end), None)

    def series(self, listed):
        """In the order of the lists; a later list may put new ones between those before."""
        found = []
        for number, (start, end, terms) in enumerate(self.epochs):
            cursor, same = 0, {}
            for tariff, row in listed(terms):
                name = (tariff, row["name"], word_of(row))
                same[name] = same.get(name, 0) + 1
                name += (same[name],)
                place = next((at for at, series in enumerate(found) if series.name == name), None)
                if place is None:
                    place = cursor
                    found.insert(place, Series(name, name[2]))
                cursor = max(cursor, place + 1)
                found[place].go_on(number, start, end, row)
        return found

    def zero_usage(self, pieces):
        used = {(piece["terms"].tariff["id"], piece["rate"].same) for piece in pieces}
        for number, (_, _, terms) in enumerate(self.epochs):
            for place, rate in enumerate(terms.rates):
                key = (terms.tariff["id"], rate.same)
                if any(above.meter == rate.meter and above.is_open() for above in terms.rates[:place]):
                    # The first rate that applies is taken: this one never is.
                    continue
                # Nobody knows the projects, sites and resources of no usage.
                if rate.pool == "account" and rate.row.get("zero_usage") == "first-flat" \
                        and key not in used:
                    used.add(key)
                    flat = models.tiers_of(rate.row)[0][3]
                    service = self.book.meters[rate.meter][0]
                    self.lines.append(Line(flat, number, service=service, meter=rate.meter,
                                           rate=rate.name, of_account=True))

    # --- Fees

    def fees(self, pieces):
        listed = self.series(lambda terms: terms.fees)
        for series in listed:
            if series.word == "month":
                for (start, _, fee), part in zip(series.spells, self.parts(series.spells)):
                    if part:
                        self.fee(fee, start, self.fee_amount(fee, pieces) * part)
        known = set()
        for start, _, terms in self.epochs:
            for name in [name for name, _ in terms.key if name not in known]:
                known.add(name)
                if self.first_in_force(name) == start:
                    for tariff, fee in terms.fees:
                        if tariff == name and word_of(fee) == "once":
                            self.fee(fee, start, self.fee_amount(fee, pieces))

    def fee(self, fee, start, amount):
        if amount:
            self.lines.append(Line(amount, self.epoch(start), service=fee["service"], kind="fee",
                                   of_account=True))

    def first_in_force(self, name):
        """When a tariff first came into force for the account, itself or as what it is based on; None
        where it always was."""
        cuts = sorted(self.book.cuts(self.account))
        for at in [cuts[0] - 1 if cuts else 0, *cuts]:
            terms = self.book.terms(self.account, at)
            if terms is not None and name in terms.names:
                return at
        return None

    def fee_amount(self, fee, pieces):
        if "tiers" not in fee:
            return Fraction(fee["amount"])
        named = {meter for tier in fee["tiers"] for meter in tier.get("up_to", {})}
        if fee.get("zero_usage") == "free" \
                and not any(self.units_used(meter, pieces, "1") for meter in named):
            return Fraction(0)
        for tier in fee["tiers"]:
            if all(self.units_used(meter, pieces, most) <= Fraction(most.split()[0])
                   for meter, most in tier.get("up_to", {}).items()):
                return Fraction(tier["amount"])
        raise Parked("more units than the last tier holds")

    def units_used(self, meter, pieces, most):
        """Units of the month, in the unit of a limit (`64 GiB`) and each rate's `per`."""
        units = self.book.meters[meter][4]
        _, _, unit = most.partition(" ")
        base = units[unit] if unit else 1
        own = [piece for piece in pieces if piece["meter"] == meter]
        return sum((piece["units"] * units[piece["rate"].unit] * self.weight(piece) / base
                    for piece in own), Fraction(0))

    def parts(self, spells):
        """Of a monthly price, what is due for each time in which a version of it is in force."""
        parts, counted, past = [], 0, 0
        for number, (start, end, row) in enumerate(spells):
            proration = row.get("proration", {"by": "second"})
            by = proration if isinstance(proration, str) else proration["by"]
            # A day begun is a whole one; one that two share is the first's.
            days = self.day_of(end - 1) + 1 - max(past, self.day_of(start))
            past = max(past, self.day_of(end - 1) + 1)
            before, counted = counted, counted + max(0, days)
            if by == "none":
                parts.append(Fraction(1 if number == 0 else 0))
            elif by == "second":
                parts.append(Fraction(end - start, self.calendar.seconds))
            else:
                proration = {} if isinstance(proration, str) else proration
                parts.append(self.days_share(before, counted, proration))
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
        named = [key for key in ("meters", "services", "rates") if row.get(key)]
        if not named:
            # `fees = false`: usage alone, and no true-up with fees in it.
            return row.get("fees") is not False or line.kind == "usage" or (
                line.scope is not None and line.scope["usage_only"])
        if line.kind == "fee":
            return bool(row.get("fees")) and ("services" not in named
                                              or line.service in row["services"])
        if line.scope is not None:
            # A true-up: all that it stands for has to be among what is named.
            return all(line.scope.get(key) and set(line.scope[key]) <= set(row[key])
                       for key in named)
        values = {"meters": line.meter, "services": line.service, "rates": line.rate}
        return all(values[key] in row[key] for key in named)

    def adjust(self):
        """Each sees what those before it have left of the lines, in rating order; then what has been
        added without usage."""
        usage = [line for line in self.lines if line.order is not None]
        others = [line for line in self.lines if line.order is None]
        self.lines = sorted(usage, key=lambda line: line.order) + others
        for series in self.series(lambda terms: terms.adjustments):
            pools, lead = {}, series.spells[0][2]
            pooled = lead.get("pool", "account")
            if pooled == "account" and not lead.get("windows"):
                pools[None, None] = []
            for line in [line for line in self.lines if line.kind != "adjustment" or line.scope]:
                row = series.at.get(line.epoch)
                if row is None or line.is_empty or not self.bears_on(row, line):
                    continue
                if row.get("windows") and line.window is None:
                    continue
                if pooled != "account" and line.of_account:
                    continue
                key = (line.member(pooled), line.window if lead.get("windows") else None)
                pools.setdefault(key, []).append(line)
            windows = self.all_windows(series, lead)
            members = {key[0] for key in pools} | ({None} if pooled == "account" else set())
            for start in windows:
                for member in members:
                    pools.setdefault((member, start), [])
            for key in sorted(pools, key=lambda key: (key[0] or "", key[1] or 0)):
                self.adjust_pool(series, lead, key, pools[key], windows.get(key[1]))

    def all_windows(self, series, lead):
        """Start and epoch of the windows that fall short without usage too: those of rates in scope, at
        any second at which one of these is asked."""
        short = series.word == "minimum" or lead.get("true_up")
        found = {}
        if not (lead.get("windows") and short):
            return found
        for number, row in sorted(series.at.items()):
            first, last, terms = self.epochs[number]
            if row.get("windows") != "all":
                continue
            for place, rate in enumerate(terms.rates):
                if not rate.window or not self.in_scope(row, rate.meter, rate):
                    continue
                before = [other for other in terms.rates[:place] if takes_all_of(other, rate)]
                cuts = sorted(set().union(self.calendar.window_cuts(rate.window), {first, last}, *(
                    self.calendar.cuts_of(other.times) for other in [rate, *before] if other.times)))
                for at in cuts[:-1]:
                    if first <= at < last and in_force(rate, self.calendar.local(at)) and not any(
                            in_force(other, self.calendar.local(at)) for other in before):
                        found.setdefault(self.calendar.window_start(at, rate.window), number)
        return found

    def adjust_pool(self, series, lead, key, lines, epoch):
        if series.word == "allowance":
            return
        if series.word == "discount":
            for line in lines:
                self.put(line, -line.net * prices.share(series.at[line.epoch]["percent"]))
            return
        if lead.get("windows"):
            lead = series.at[lines[0].epoch if lines else epoch]
            amount = Fraction(lead["amount"])
        elif series.word == "credit":
            amount = Fraction(lead["amount"])
        else:
            amount = sum((Fraction(row["amount"]) * part for (_, _, row), part in zip(
                series.spells, self.parts(series.spells))), Fraction(0))
        total = sum((line.net for line in lines), Fraction(0))
        if series.word == "minimum" or series.word == "commitment" and lead.get("true_up"):
            missing = amount - total
        else:
            missing = Fraction(0)
        nothing = Fraction(0)
        if series.word == "credit":
            self.place(lines, lambda sum: -max(nothing, min(sum, amount)))
        elif series.word == "maximum":
            self.place(lines, lambda sum: -max(nothing, sum - amount))
        elif series.word == "commitment":
            more = Fraction(lead.get("overage", 1))
            if lead.get("prepaid"):
                self.place(lines, lambda sum: max(nothing, sum - amount) * more - sum)
            else:
                self.place(lines, lambda sum: max(nothing, sum - amount) * (more - 1))
        if missing > 0:
            self.true_up(series, lead, key, lines, missing)

    def true_up(self, series, lead, key, lines, missing):
        pool = lead.get("pool", "account")
        own = {pool: key[0]} if pool in ("project", "site", "resource") else {}
        if pool == "resource" and lines:
            own = {"resource": lines[0].resource, "project": lines[0].project, "site": lines[0].site}
        scope = {name: lead.get(name, []) for name in ("meters", "services", "rates")}
        scope["usage_only"] = not lead.get("fees") and (
            any(scope.values()) or lead.get("fees") is False)
        self.lines.append(Line(missing, self.epoch(series.spells[0][0]), window=key[1],
                               kind="adjustment", scope=scope,
                               of_account=pool == "account" or key[0] is None, **own))

    def place(self, lines, of_sum):
        """A line's part is what the adjustment comes to with it, less what it came to before it."""
        total = Fraction(0)
        for line in lines:
            before = of_sum(total)
            total += line.net
            self.put(line, of_sum(total) - before)

    def put(self, line, part):
        if part:
            line.net += part
            self.lines.append(Line(part, line.epoch, kind="adjustment"))
