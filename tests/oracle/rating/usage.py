"""Usage for `rating.py`: what a resource held or consumed, in pieces within which nothing that matters
to a price changes: not the holding, nor the tariff, the local hour, the month or the window."""

from bisect import bisect_left, bisect_right
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

MICRO = 1_000_000
COUNTING = {"count", "max", "latest", "unique", "peak", "percentile"}


class Calendar:
    """Local days of one zone around one month."""

    def __init__(self, zone, label):
        self.zone = ZoneInfo(zone)
        self.year, self.month = map(int, label.split("-"))
        after = (self.year + self.month // 12, self.month % 12 + 1)
        self.first = date(self.year, self.month, 1)
        self.days = [self.first + timedelta(days=number)
                     for number in range((date(*after, 1) - self.first).days)]
        self.start = self.moment(self.first, 0)[0]
        self.end = self.moment(date(*after, 1), 0)[0]
        self.midnights = [self.moment(day, 0)[0] for day in self.days] + [self.end]
        self.seconds = self.end - self.start
        self.jumps = self.found_jumps()
        self.hour_cuts = {}

    def moment(self, day, of_day):
        """The instants at which a local clock shows this; where it never does, those around it."""
        wall = datetime(day.year, day.month, day.day) + timedelta(seconds=of_day)
        return [int(wall.replace(tzinfo=self.zone, fold=fold).timestamp()) for fold in (0, 1)]

    def offset(self, at):
        return datetime.fromtimestamp(at, self.zone).utcoffset()

    def found_jumps(self):
        """Seconds at which the clock changes."""
        found = []
        for start, end in zip(self.midnights, self.midnights[1:]):
            if self.offset(start) != self.offset(end):
                before = self.offset(start)
                while end - start > 1:
                    middle = (start + end) // 2
                    if self.offset(middle) == before:
                        start = middle
                    else:
                        end = middle
                found.append(end)
        return found

    def local(self, at):
        now = datetime.fromtimestamp(at, self.zone)
        return now.weekday(), now.hour * 3600 + now.minute * 60 + now.second

    def cuts_of(self, times):
        """Where the local clock passes any bound of these hours, or midnight."""
        bounds = frozenset(bound % 86400 for _, start, end in times for bound in (start, end))
        if bounds not in self.hour_cuts:
            days = [self.first - timedelta(days=1), *self.days]
            found = {at for day in days for bound in {0, *bounds} for at in self.moment(day, bound)}
            self.hour_cuts[bounds] = found | set(self.jumps)
        return self.hour_cuts[bounds]

    def window_start(self, at, seconds):
        """The start of the window of a local day, counted from its midnight."""
        midnight = self.midnights[bisect_right(self.midnights, at) - 1]
        return midnight + (at - midnight) // seconds * seconds

    def window_cuts(self, seconds):
        return {at for start, end in zip(self.midnights, self.midnights[1:])
                for at in range(start, end, seconds)}

    def windows(self, seconds):
        """All windows of the month from its start on; the last may be short."""
        return [(at, min(at + seconds, self.end)) for at in range(self.start, self.end, seconds)]


def known_calendar(zone, label, known={}):
    if (zone, label) not in known:
        known[zone, label] = Calendar(zone, label)
    return known[zone, label]


def between(cuts, first, last):
    return cuts[bisect_right(cuts, first):bisect_left(cuts, last)]


class Usage:
    """All pieces of one account in a month."""

    def __init__(self, book, account, label, as_of):
        self.book, self.account = book, account
        self.calendar = known_calendar(account["time_zone"], label)
        self.until, self.as_of = min(self.calendar.end, as_of), as_of
        self.pieces = []
        inside = {cut for cut in self.all_cuts()
                  if self.calendar.start <= cut <= self.calendar.end}
        # What was held around the month is needed too: a holding may have begun before.
        self.cuts = sorted(inside | book.cuts(account))

    def all_cuts(self):
        calendar, found = self.calendar, self.book.cuts(self.account)
        found |= {calendar.start, calendar.end}
        for row in self.book.classes:
            found |= {cut for cut in map(second_of, (row.get("valid_from"), row.get("valid_to")))
                      if cut is not None}
        for tariff in self.tariffs():
            for version in self.book.versions[tariff]:
                for rate in version.rates:
                    if rate.times:
                        found |= calendar.cuts_of(rate.times)
                    if rate.window:
                        found |= calendar.window_cuts(rate.window)
                    if rate.model == "series":
                        found |= {at for at, _ in self.book.series[rate.row["series"]]}
                    if rate.model == "hashmap":
                        found |= costs_cuts(rate.row)
        return found

    def tariffs(self):
        names = [self.account.get("tariff")]
        names += [row["tariff"] for row in self.account.get("tariff_assignment", [])]
        found = []
        for name in names:
            while name is not None and name not in found:
                found.append(name)
                name = self.book.tariffs[name].get("base")
        return found

    def ours(self, owner, at):
        """True where the owner is this account's alone; an error where it is others' too."""
        accounts = self.book.account_of(owner, at) if owner else []
        if len(accounts) > 1 and self.account in accounts:
            raise ValueError("two accounts own it")
        return accounts == [self.account]

    def add(self, resource, metered):
        """Adds what one resource held and consumed."""
        start, until = self.calendar.start, self.until
        about = {"resource": resource, "kind": resource.split("/")[1], "report": None}
        for begin, end, holding in metered.stretches:
            first = begin // MICRO
            last = self.as_of if end is None else min(end // MICRO, self.as_of)
            edges = [first, *between(self.cuts, first, last), last]
            for a, b in zip(edges, edges[1:]):
                if a < b:
                    self.held(about, a, b, holding, b - a, begin, end is not None or b < last)
        for at, seconds, holding, report in metered.aggregated:
            about["report"] = report if report[0] < report[1] else None
            if start <= at // MICRO < until:
                self.held(about, at // MICRO, None, holding, seconds, at)
            if at // MICRO < until:
                for part in self.spread(about["report"]):
                    self.held({**about, "part": part}, part[0] // MICRO, None, holding, seconds, at)
        for at, meter, quantity, holding, report in metered.consumed:
            about["report"] = report if report and report[0] < report[1] else None
            if start <= at // MICRO < until and self.ours(holding["owner"], at // MICRO):
                self.piece(about, at // MICRO, None, holding, meter, quantity, None, at)
            if at // MICRO < until:
                for part in self.spread(about["report"]):
                    second = part[0] // MICRO
                    if self.ours(holding["owner"], second):
                        self.piece({**about, "part": part}, second, None, holding, meter, quantity,
                                   None, at)

    def spread(self, report):
        """The parts of a report's own window in the month, in microseconds: for what is measured in
        windows it was used evenly over it."""
        if report is None:
            return
        first, last = max(report[0], self.calendar.start * MICRO), min(report[1], self.until * MICRO)
        cuts = [cut * MICRO for cut in self.cuts if first < cut * MICRO < last]
        for a, b in zip([first, *cuts], [*cuts, last]):
            if a < b:
                yield a, b

    def held(self, about, start, end, holding, seconds, begin, ended=True):
        if not self.ours(holding["owner"], start):
            return
        for meter, quantity in holding["held"].items():
            self.piece({**about, "ended": ended}, start, end, holding, meter, quantity, seconds,
                       begin)

    def piece(self, about, start, end, holding, meter, quantity, seconds, micros):
        self.pieces.append({
            **about, "start": start, "end": end, "meter": meter, "quantity": quantity,
            "seconds": seconds, "project": holding["project"], "site": holding["site"],
            "region": holding.get("region"), "state": holding["state"],
            "attributes": holding["attributes"], "micros": micros,
            "local": self.calendar.local(start)})


def second_of(text):
    import prices
    return prices.second(text)


def costs_cuts(row):
    found = set()
    for cost in row["costs"]:
        found |= {second_of(cost.get("valid_from")), second_of(cost.get("valid_to"))}
    return found - {None}
