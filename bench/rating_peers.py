"""The peers of bench/rating: the same month as SQL and as a Polars plan, and the comparison.

    rating_peers.py lay-out FOLDER             usage of ours, flattened into the peers' best layouts
    rating_peers.py query ENGINE LAYOUT FOLDER one engine, once: prints seconds and writes its answer
    rating_peers.py cloudkitty POINTS          CloudKitty's hashmap on what it can do of it
    rating_peers.py compare FOLDER TIMES OURS  all of them in turn, ratios, and the answers
"""

import glob
import json
import os
import statistics
import subprocess
import sys
import time
import tomllib

THREADS = 2
BUCKETS = 8
END = 1_769_904_000  # 2026-02-01T00:00:00Z
ENDLESS = 10**30
LAYOUTS = ("one", "buckets")


def usage_files(folder):
    """The files that the newest version of our usage table names."""
    live = {}
    for log in sorted(glob.glob(f"{folder}/data/lake/usage/_delta_log/*.json")):
        for line in open(log):
            action = json.loads(line)
            if "add" in action:
                live[action["add"]["path"]] = None
            if "remove" in action:
                live.pop(action["remove"]["path"], None)
    return [f"{folder}/data/lake/usage/{path}" for path in live]


def lay_out(folder):
    import duckdb

    db = duckdb.connect()
    db.execute(f"set threads={THREADS}")
    db.execute("set preserve_insertion_order=false")
    flat = f"""select cast(split_part(resource, '/', 3) as bigint) resource,
        cast(right(owner, 6) as bigint) account,
        case meter when 'instance' then 'vm.' || json_extract_string(attributes, '$.flavor')
             when 'volume' then 'vol.' || json_extract_string(attributes, '$.tier')
             else 'obj' end sku,
        case when terminal or state = 'stopped' then 0 else quantity end qty,
        epoch_us(time) ts, hash(event_key) event_id
        from read_parquet({usage_files(folder)!r}, hive_partitioning=false)"""
    db.execute(f"create table flat as {flat}")
    order = "order by resource, ts, event_id"
    group = "row_group_size 1000000, compression zstd"
    db.execute(f"copy (select * from flat {order}) to '{folder}/one.parquet' (format parquet, {group})")
    os.makedirs(f"{folder}/buckets", exist_ok=True)
    for bucket in range(BUCKETS):
        part = f"select * from flat where hash(resource) % {BUCKETS} = {bucket} {order}"
        db.execute(f"copy ({part}) to '{folder}/buckets/{bucket}.parquet' (format parquet, {group})")
    tariffs, tiers, accounts = prices(folder)
    db.execute("create table tariff(tariff bigint, sku varchar, vfrom bigint, vto bigint, den hugeint)")
    db.executemany("insert into tariff values (?, ?, ?, ?, ?)", tariffs)
    db.execute("create table tier(tariff bigint, lo hugeint, hi hugeint, price bigint)")
    db.executemany("insert into tier values (?, ?, ?, ?)", tiers)
    db.execute("create table account(account bigint, bps bigint)")
    db.execute(
        "insert into account select unnest(?), unnest(?)",
        [[a for a, _ in accounts], [b for _, b in accounts]],
    )
    wide = {
        "tariff": "tariff, sku, vfrom, vto, cast(den as decimal(38,0)) den",
        "tier": "tariff, cast(lo as decimal(38,0)) lo, cast(hi as decimal(38,0)) hi, price",
        "account": "account, bps",
    }
    for name, columns in wide.items():
        db.execute(f"copy (select {columns} from {name}) to '{folder}/{name}.parquet' (format parquet)")


def seconds(text):
    from datetime import datetime

    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())


def nano(text):
    whole, _, part = str(text).partition(".")
    return int(whole) * 10**9 + int((part + "0" * 9)[:9])


def prices(folder):
    """The price book that ours was given, as tables."""
    with open(f"{folder}/book.toml", "rb") as file:
        book = tomllib.load(file)
    versions = book["tariff"][0]["version"]
    starts = [seconds(version["valid_from"]) for version in versions] + [END + 86_400 * 365]
    tariffs, tiers = [], []
    for version, (start, end) in zip(versions, zip(starts, starts[1:])):
        for rate in version["rate"]:
            where = rate.get("where", {})
            sku = {"instance": "vm.", "volume": "vol."}.get(rate["meter"], "obj")
            sku += where.get("flavor", where.get("tier", ""))
            unit = 3_600 * (2**30 if rate["unit"] == "GiB" else 1)
            number, low = len(tariffs), 0
            # Cents are units x nano / 10^7.
            tariffs.append((number, sku, start, end, unit * 10**7))
            for tier in rate["tiers"]:
                high = int(tier["up_to"]) * unit if "up_to" in tier else ENDLESS
                tiers.append((number, low, high, nano(tier["price"])))
                low = high
    royalty = {a["franchisee"]: round(float(a["royalty"][:-1]) * 100) for a in book["agreement"]}
    accounts = [(int(a["id"][2:]), royalty[a["seller"]]) for a in book["account"]]
    return tariffs, tiers, accounts


def source(folder, layout):
    return f"{folder}/one.parquet" if layout == "one" else f"{folder}/buckets/*.parquet"


def statement(table, events, wide, cast, lead, half_away, floor_div):
    """Intervals, cut at tariffs, summed, put into tiers over an account, rounded per line."""
    least, greatest = "least", "greatest"
    return f"""with spans as (
      select account, sku, qty, {floor_div("ts", "1000000")} s, {floor_div(lead, "1000000")} e from {events}),
    cut as (
      select i.account account, i.sku sku, t.tariff tariff, t.vfrom vfrom,
        {cast(f"{least}(i.e, t.vto) - {greatest}(i.s, t.vfrom)")} * {cast("i.qty")} used
      from spans i join {table("tariff")} t on i.sku = t.sku
      where i.s < t.vto and i.e > t.vfrom and i.qty > 0 and i.e > i.s),
    sums as (select account, sku, tariff, vfrom, {cast("sum(used)")} used from cut
      group by account, sku, tariff, vfrom),
    placed as (select account, tariff, used, {cast('''sum(used) over (partition by account, sku
      order by vfrom rows between unbounded preceding and current row)''')} high from sums),
    lines as (select p.account account, t.den den,
        ({least}(p.high, {wide("r.hi")}) - {greatest}(p.high - p.used, {wide("r.lo")})) * {cast("r.price")} num
      from placed p join {table("tier")} r on p.tariff = r.tariff join {table("tariff")} t on p.tariff = t.tariff
      where p.high - p.used < {wide("r.hi")} and p.high > {wide("r.lo")}),
    cents as (select account, {half_away("num", wide("den"))} cents from lines)
    select c.account account, sum(c.cents) total, sum({floor_div("c.cents * a.bps", "10000")}) fee, count(*) lines
    from cents c join {table("account")} a on c.account = a.account group by c.account"""


def duckdb_query(folder, layout):
    import duckdb

    db = duckdb.connect()
    db.execute(f"set threads={THREADS}")
    last = f"coalesce(lead(ts) over (partition by resource order by ts, event_id), {END * 1_000_000})"
    text = statement(
        lambda name: f"'{folder}/{name}.parquet'",
        f"read_parquet('{source(folder, layout)}')",
        lambda value: f"cast({value} as hugeint)",
        lambda value: f"cast({value} as hugeint)",
        last,
        lambda num, den: f"cast((2 * {num} + {den}) // (2 * {den}) as bigint)",
        lambda value, by: f"({value}) // {by}",
    )
    begin = time.perf_counter()
    rows = db.execute(text).fetchall()
    return time.perf_counter() - begin, rows


def chdb_query(folder, layout):
    import chdb

    last = f"""leadInFrame(ts, 1, {END * 1_000_000}) over (partition by resource order by ts, event_id
      rows between unbounded preceding and unbounded following)"""
    text = statement(
        lambda name: f"file('{folder}/{name}.parquet', Parquet)",
        f"file('{source(folder, layout)}', Parquet)",
        lambda value: f"toInt128({value})",
        lambda value: f"toInt128({value})",
        last,
        lambda num, den: f"toInt64(intDiv(2 * {num} + {den}, 2 * {den}))",
        lambda value, by: f"intDiv({value}, {by})",
    )
    begin = time.perf_counter()
    answer = str(chdb.query(f"{text} settings max_threads={THREADS}", "CSV"))
    took = time.perf_counter() - begin
    return took, [tuple(map(int, line.split(","))) for line in answer.split()]


def polars_query(folder, layout):
    os.environ["POLARS_MAX_THREADS"] = str(THREADS)
    import polars as pl

    wide = pl.Int128
    scan = lambda name: pl.scan_parquet(f"{folder}/{name}.parquet")
    begin = time.perf_counter()
    events = pl.scan_parquet(source(folder, layout))
    tariff = scan("tariff").with_columns(pl.col("den").cast(wide))
    tier = scan("tier").with_columns(pl.col("lo", "hi").cast(wide))
    last = pl.col("resource").shift(-1) == pl.col("resource")
    spans = (
        events.sort("resource", "ts", "event_id")
        .with_columns(
            s=pl.col("ts") // 1_000_000,
            e=pl.when(last).then(pl.col("ts").shift(-1)).otherwise(END * 1_000_000) // 1_000_000,
        )
        .filter((pl.col("qty") > 0) & (pl.col("e") > pl.col("s")))
    )
    used = (pl.min_horizontal("e", "vto") - pl.max_horizontal("s", "vfrom")).cast(wide)
    sums = (
        spans.join(tariff, on="sku")
        .filter((pl.col("s") < pl.col("vto")) & (pl.col("e") > pl.col("vfrom")))
        .with_columns(used=used * pl.col("qty").cast(wide))
        .group_by("account", "sku", "tariff", "vfrom", "den")
        .agg(pl.col("used").sum())
    )
    placed = sums.sort("account", "sku", "vfrom").with_columns(
        high=pl.col("used").cum_sum().over("account", "sku")
    )
    low = pl.col("high") - pl.col("used")
    num = (pl.min_horizontal("high", "hi") - pl.max_horizontal(low, "lo")) * pl.col("price").cast(wide)
    cents = (num * 2 + pl.col("den")) // (pl.col("den") * 2)
    lines = (
        placed.join(tier, on="tariff")
        .filter((low < pl.col("hi")) & (pl.col("high") > pl.col("lo")))
        .with_columns(cents=cents.cast(pl.Int64))
    )
    fee = (pl.col("cents") * pl.col("bps") // 10_000).sum()
    answer = (
        lines.join(scan("account"), on="account")
        .group_by("account")
        .agg(pl.col("cents").sum(), fee.alias("fee"), pl.len().alias("lines"))
        .collect(engine="streaming" if layout == "buckets" else "auto")
    )
    return time.perf_counter() - begin, answer.rows()


QUERIES = {"duckdb": duckdb_query, "polars": polars_query, "chdb": chdb_query}


def query(engine, layout, folder):
    took, rows = QUERIES[engine](folder, layout)
    with open(f"{folder}/answer-{engine}.json", "w") as file:
        json.dump(sorted([int(value) for value in row] for row in rows), file)
    print(f"{took:.3f}")


def cloudkitty(points):
    """Prices points by one field, as CloudKitty does each hour: no seconds, no tiers, no versions.

    Prints the seconds in which points became a frame, and those in which hashmap priced it.
    """
    import datetime
    import decimal

    from oslo_config import cfg

    cfg.CONF([], project="cloudkitty", default_config_files=[])
    from cloudkitty import dataframe
    from cloudkitty.rating.hash import HashMap

    names = ["nano", "small", "medium", "large", "xlarge", "gpu1", "gpu4", "mem8"]
    cost = {name: decimal.Decimal(at + 1) / 1_000 for at, name in enumerate(names)}

    class InMemory(HashMap):
        """The mappings that its database would give."""

        def _load_rates(self, start=None):
            mappings = {name: {"type": "flat", "cost": cost[name]} for name in names}
            flavor = {"mappings": {"_DEFAULT_": mappings}, "thresholds": {}}
            self._entries = {
                "instance": {"mappings": {}, "thresholds": {}, "fields": {"flavor": flavor}}
            }

    module = InMemory("tenant")
    hour = datetime.datetime(2026, 1, 1)
    frame = dataframe.DataFrame(start=hour, end=hour + datetime.timedelta(hours=1))
    begin = time.perf_counter()
    for at in range(points):
        flavor = {"flavor": names[at % len(names)]}
        frame.add_point(dataframe.DataPoint("instance", 1, 0, flavor, {}), "instance")
    built = time.perf_counter()
    priced = module.process(frame)
    end = time.perf_counter()
    total = sum(point.price for _, point in priced.iterpoints())
    expected = sum(cost[names[at % len(names)]] for at in range(points))
    if total != expected:
        sys.exit(f"cloudkitty finds {total}, not {expected}")
    print(f"{built - begin:.3f} {end - built:.3f}")


def ours(turnpike, folder):
    """One run; its seconds, memory and totals of its stored lines."""
    command = [turnpike, "--data-dir", f"{folder}/data", "--now", "2026-02-02T00:00:00Z"]
    command += ["--format", "json", "rate", "--period", "2026-01", "--threads", str(THREADS)]
    begin = time.perf_counter()
    took, memory, text = measured(command)
    return time.perf_counter() - begin, memory, json.loads(text)


def compared(turnpike, folder):
    """The month beside itself under the same prices from a file: its seconds. Nothing may differ."""
    command = [turnpike, "--data-dir", f"{folder}/data", "--now", "2026-02-02T00:00:00Z"]
    command += ["compare", "--period", "2026-01", "--book", f"{folder}/book.toml"]
    took, _, text = measured(command)
    total = text.decode().splitlines()[-1].split()
    if "0.00" not in total[-2:]:
        sys.exit(f"the month differs from itself: {total}")
    return took


def measured(command):
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{command} failed")
    return time.perf_counter() - begin, usage.ru_maxrss // 1024, text


def our_answer(folder, run):
    """Invoice totals and fees from the lines of a run, with integers."""
    import pyarrow.parquet as pq

    _, _, accounts = prices(folder)
    bps = dict(accounts)
    totals = {}
    names = ["account", "amount_numerator", "amount_denominator"]
    for path in glob.glob(f"{folder}/data/lake/rated_lines/run={run}/*.parquet"):
        for batch in pq.ParquetFile(path).iter_batches(columns=names):
            for account, num, den in zip(*(column.to_pylist() for column in batch.columns)):
                account, num, den = int(account[2:]), int(num) * 100, int(den)
                cents = (2 * num + den) // (2 * den)
                total = totals.setdefault(account, [account, 0, 0, 0])
                total[1] += cents
                total[2] += cents * bps[account] // 10_000
                total[3] += 1
    return sorted(totals.values())


POINTS = 200_000


def beside_cloudkitty(own, events):
    """Our whole run beside the reduced job, each per million; it prices on one core."""
    command = [sys.executable, "-W", "ignore", __file__, "cloudkitty", str(POINTS)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    build, price = (float(text) * 1_000_000 / POINTS for text in done.stdout.split())
    own_million = own * 1_000_000 / events
    print(
        f"cloudkitty, a million points by one field: frame {build:.2f} s, hashmap {price:.2f} s;"
        f" ours, a million events rated and stored: {own_million:.2f} s,"
        f" {own_million / (build + price):.3f} of its time"
    )


def compare(folder, times, turnpike):
    wanted = os.environ.get("TURNPIKE_BENCH_ENGINES", "duckdb polars chdb").split()
    peers = [(engine, layout) for engine in wanted for layout in LAYOUTS]
    comparisons = []
    took = {name: [] for name in [("turnpike", "own"), *peers]}
    memory = dict.fromkeys(took, 0)
    run = None
    for _ in range(times):
        seconds_taken, peak, report = ours(turnpike, folder)
        took["turnpike", "own"].append(seconds_taken)
        memory["turnpike", "own"] = max(memory["turnpike", "own"], peak)
        run = report["run"]
        comparisons.append(compared(turnpike, folder))
        for engine, layout in peers:
            command = [sys.executable, __file__, "query", engine, layout, folder]
            _, peak, text = measured(command)
            took[engine, layout].append(float(text))
            memory[engine, layout] = max(memory[engine, layout], peak)
    print(f"{report['events']} events, {report['lines']} lines, {report['accounts']} accounts")
    own = statistics.median(took["turnpike", "own"])
    for (engine, layout), all_taken in took.items():
        median = statistics.median(all_taken)
        print(
            f"{engine:9} {layout:8} median {median:7.2f} s  least {min(all_taken):7.2f} s"
            f"  peak {memory[engine, layout]:6} MiB  ours/this {own / median:5.2f}"
        )
    fastest = min(statistics.median(took[peer]) for peer in peers)
    print(f"ours takes {own / fastest:.2f} of the time of the fastest peer (aim: 0.50)")
    compare_median = statistics.median(comparisons)
    print(
        f"turnpike compare: median {compare_median:.2f} s, {compare_median / own:.2f} of a run (aim: 1.30)"
    )
    beside_cloudkitty(own, report["events"])
    answer = our_answer(folder, run)
    if os.environ.get("TURNPIKE_BENCH_DETAIL", "account") != "account":
        return
    for engine in wanted:
        with open(f"{folder}/answer-{engine}.json") as file:
            other = json.load(file)
        if other != answer:
            different = [pair for pair in zip(answer, other) if pair[0] != pair[1]][:3]
            sys.exit(f"{engine} finds other totals: {len(answer)} and {len(other)} accounts, {different}")
    totals = [sum(row[at] for row in answer) for at in (1, 2, 3)]
    print(f"all agree: {len(answer)} accounts, total {totals[0]} cents, fees {totals[1]}, lines {totals[2]}")


if __name__ == "__main__":
    if sys.argv[1] == "lay-out":
        lay_out(sys.argv[2])
    elif sys.argv[1] == "cloudkitty":
        cloudkitty(int(sys.argv[2]))
    elif sys.argv[1] == "query":
        query(*sys.argv[2:5])
    else:
        compare(sys.argv[2], int(sys.argv[3]), sys.argv[4])
