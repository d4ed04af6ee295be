"""DuckDB's read_json over a file of native usage events into Arrow batches, on one thread.

Prints the rows and the milliseconds of processor time.
"""

import sys
import time

import duckdb

COLUMNS = """{
  specversion: 'VARCHAR', id: 'VARCHAR', source: 'VARCHAR', type: 'VARCHAR', subject: 'VARCHAR',
  time: 'TIMESTAMPTZ', datacontenttype: 'VARCHAR',
  data: 'STRUCT(
    namespace VARCHAR, resource STRUCT(kind VARCHAR, id VARCHAR, parent VARCHAR), "owner" VARCHAR,
    project VARCHAR, site VARCHAR, region VARCHAR, state VARCHAR, terminal BOOLEAN,
    since TIMESTAMPTZ, "window" STRUCT("start" TIMESTAMPTZ, "end" TIMESTAMPTZ), seconds BIGINT,
    incarnation VARCHAR,
    held STRUCT(meter VARCHAR, quantity DECIMAL(28, 6), unit VARCHAR)[],
    used STRUCT(meter VARCHAR, quantity DECIMAL(28, 6), unit VARCHAR, cumulative BOOLEAN)[],
    attributes MAP(VARCHAR, VARCHAR), tags MAP(VARCHAR, VARCHAR))'
}"""

database = duckdb.connect()
database.execute("SET threads = 1")
query = f"SELECT * FROM read_json($path, format = 'newline_delimited', columns = {COLUMNS})"
began = time.process_time()
batches = database.sql(query, params={"path": sys.argv[1]}).to_arrow_reader(65536)
rows = sum(batch.num_rows for batch in batches)
print(rows, round((time.process_time() - began) * 1000))
