"""Reads a Delta table without any Delta library: the log is JSON lines, the data files are Parquet."""

import json
import pathlib
import urllib.parse

import pyarrow.parquet


class Table:
    """All commits of a table: which files stand in it, what they added, how far each source got."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.commits = []  # (version, [add], {app id: next offset})
        self.files = {}  # path -> (version, add)
        self.txns = {}
        names = sorted((self.folder / "_delta_log").glob("[0-9]*.json"))
        for expected, path in enumerate(name for name in names if len(name.stem) == 20):
            version = int(path.stem)
            if version != expected:
                raise ValueError(f"{self.folder.name}: commit {expected} is missing")
            self.read(version, path.read_text())

    def read(self, version, text):
        adds, moved = [], {}
        for line in text.splitlines():
            action = json.loads(line)
            if "add" in action:
                adds.append(action["add"])
                self.files[action["add"]["path"]] = (version, action["add"])
            elif "remove" in action:
                self.files.pop(action["remove"]["path"], None)
            elif "txn" in action:
                moved[action["txn"]["appId"]] = action["txn"]["version"]
        self.txns.update(moved)
        self.commits.append((version, adds, moved))

    def rows(self, columns, partition=None):
        """The rows in the order of their commits, with the commit's version."""
        for path, (version, add) in sorted(self.files.items(), key=lambda item: item[1][0]):
            given = add.get("partitionValues", {})
            if partition and any(given.get(name) != value for name, value in partition.items()):
                continue
            file = self.folder / urllib.parse.unquote(path)
            # A path with `name=value` folders must not grow columns of those.
            table = pyarrow.parquet.ParquetFile(file).read(columns=columns)
            for row in table.to_pylist():
                yield version, row

    def orphans(self):
        """Data files that no commit names: a crash leaves them, a vacuum takes them away."""
        named = {urllib.parse.unquote(path) for path in self.files}
        found = {str(path.relative_to(self.folder)) for path in self.folder.rglob("*.parquet")
                 if "_delta_log" not in path.parts}
        return sorted(found - named)
