"""What the disk and SQLite alone allow: two durable commits of one small row each, one after the other."""

import sqlite3
import time

from measure import Reading, answer, order

SECONDS = 0.6


if __name__ == "__main__":
    with order() as given:
        connection = sqlite3.connect(given.folder / "bare.sqlite", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE row (n INTEGER PRIMARY KEY, data BLOB)")
        body, steps, begin = b"x" * 500, 0, Reading.now()
        while time.perf_counter() - begin.wall < SECONDS:
            connection.execute("INSERT INTO row (data) VALUES (?)", (body,))
            connection.execute("INSERT INTO row (data) VALUES (?)", (body,))
            steps += 1
        end = Reading.now()
        connection.close()
        answer(
            {
                "steps_per_second": steps / (end.wall - begin.wall),
                "cpu_us": (end.cpu - begin.cpu) / steps * 1e6,
            }
        )
