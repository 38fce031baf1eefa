"""Features are matched in processes, one thread each: `python -m reconstruction.sfm.colmap.matching DATABASE PAIRS SEED`.

Two of COLMAP's matchers in one process spoil each other's search now and then: 90 matches of a pair became 17, and no two runs
agreed for sure. So each process has a copy of the features, matches its share, and what it found is put together at the end.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from functools import partial
from itertools import pairwise
from pathlib import Path

import pycolmap

from reconstruction.sfm.colmap.database import remove_database
from reconstruction.sfm.colmap.request import Request, Told

BATCH = 64  # pairs between two reports of progress: a photo's search tree is built once a batch
WORTH_A_PROCESS = 48  # pairs: some seconds, a process starts in half of one
FOUND = ("matches", "two_view_geometries")


def match(request: Request, pairs: list[tuple[int, int]], progress: Told) -> None:
    """Matches and verifies the pairs that are not yet, into the request's database. Raises RuntimeError where a process dies."""
    for left in sorted(request.database.parent.glob("share*.db")):  # of an earlier process that was killed
        with suppress(sqlite3.DatabaseError):  # torn in the making
            _take_matches(left, request.database)
        remove_database(left)
    known = _verified(request)
    lines = [f"{request.images[i]} {request.images[j]}\n" for i, j in pairs if (request.images[i], request.images[j]) not in known]
    tell = partial(_tell_of_all, progress, len(pairs) - len(lines))
    processes = max(1, min(request.threads if request.threads > 0 else os.cpu_count() or 1, len(lines) // WORTH_A_PROCESS))
    if processes == 1:
        match_listed(request.database, lines, request.seed, tell)
        return
    edges = [len(lines) * k // processes for k in range(processes + 1)]
    shares = [lines[start:end] for start, end in pairwise(edges)]
    copies = [request.database.with_name(f"share{k}.db") for k in range(processes)]
    _match_shares(request, copies, shares, tell)
    for copy in copies:
        _take_matches(copy, request.database)
        remove_database(copy)


def _verified(request: Request) -> set[tuple[str, str]]:
    """Pairs of names, both ways: also of photos that turned out to share nothing."""
    with closing(sqlite3.connect(request.database)) as opened:
        names = dict(opened.execute("SELECT image_id, name FROM images"))
        pairs = [pycolmap.pair_id_to_image_pair(pair) for (pair,) in opened.execute("SELECT pair_id FROM two_view_geometries")]
    return {(names[a], names[b]) for i, j in pairs for a, b in ((i, j), (j, i))}


def _tell_of_all(progress: Told, known: int, step: int, steps: int) -> None:
    progress(known + step, known + steps)


def match_listed(database: Path, lines: list[str], seed: int, progress: Told) -> None:
    """lines: two names of photos each, as COLMAP lists pairs."""
    matching = pycolmap.FeatureMatchingOptions()
    matching.num_threads = 1
    verification = pycolmap.TwoViewGeometryOptions()
    verification.ransac.random_seed = seed
    verification.ransac.max_num_trials = 2000  # COLMAP's 10,000 take twice the time of matching for 0.2 % more inliers
    pairing = pycolmap.ImportedPairingOptions()
    pairing.match_list_path = database.with_suffix(".batch.txt")
    for start in range(0, len(lines), BATCH):
        batch = lines[start : start + BATCH]
        pairing.match_list_path.write_text("".join(batch))
        pycolmap.match_image_pairs(database, matching, pairing, verification, pycolmap.Device.cpu)
        progress(start + len(batch), len(lines))


def _match_shares(request: Request, copies: list[Path], shares: list[list[str]], progress: Told) -> None:
    """One process each; all write the number of pairs of each batch into one pipe."""
    reading, writing = os.pipe()
    processes = []
    for copy, share in zip(copies, shares, strict=True):
        _copy_features(request.database, copy)
        listed = copy.with_suffix(".pairs.txt")
        listed.write_text("".join(share))
        command = [sys.executable, "-m", "reconstruction.sfm.colmap.matching", str(copy), str(listed), str(request.seed)]
        processes.append(subprocess.Popen(command, stdout=writing))
    os.close(writing)
    done, count = 0, sum(map(len, shares))
    with os.fdopen(reading) as batches:
        for batch in batches:
            done += int(batch)
            progress(done, count)
    if any([process.wait() for process in processes]):
        raise RuntimeError("a process that matches photos died")


def _copy_features(database: Path, copy: Path) -> None:
    remove_database(copy)
    with closing(sqlite3.connect(database)) as opened:
        opened.execute("VACUUM INTO ?", (str(copy),))


def _take_matches(copy: Path, database: Path) -> None:
    """Pairs that were matched and verified."""
    with closing(sqlite3.connect(database)) as opened:
        opened.execute("ATTACH ? AS share", (str(copy),))
        with opened:
            for table in FOUND:
                verified = "SELECT pair_id FROM share.two_view_geometries"
                opened.execute(f"INSERT OR IGNORE INTO main.{table} SELECT * FROM share.{table} WHERE pair_id IN ({verified})")


def tell_parent(count: int) -> None:
    """All at once, since others write into the same pipe: where Python's output is unbuffered, `print` writes the line's end apart."""
    os.write(sys.stdout.fileno(), b"%d\n" % count)


def _match_share(database: Path, listed: Path, seed: int) -> None:
    told = 0

    def tell(step: int, steps: int) -> None:
        nonlocal told
        tell_parent(step - told)
        told = step

    match_listed(database, listed.read_text().splitlines(keepends=True), seed, tell)


if __name__ == "__main__":
    pycolmap.logging.minloglevel = pycolmap.logging.WARNING.value
    _match_share(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
