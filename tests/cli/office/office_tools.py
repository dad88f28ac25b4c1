import sqlite3
import time
from pathlib import Path


def pay(vendor: str, amount: str, currency: str, *, idempotency_key: str, context: dict):
    """Pay a vendor."""
    with sqlite3.connect(Path(context["home"]) / "paid.sqlite") as db:
        db.execute("CREATE TABLE IF NOT EXISTS paid (key TEXT PRIMARY KEY, vendor TEXT, amount TEXT, currency TEXT)")
        db.execute("INSERT OR IGNORE INTO paid VALUES (?, ?, ?, ?)", (idempotency_key, vendor, amount, currency))
    if vendor == "Slow Ltd":
        time.sleep(4)
    return {"paid": amount}


TOOLS = {"pay": pay}
