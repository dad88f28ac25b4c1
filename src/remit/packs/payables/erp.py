"""The company's ERP: vendors with their accounts on file, purchase orders and payments, in one SQLite file.

Every payment is one transaction that is durable when the receipt is returned, and its key is unique: the same key pays
once, whichever process asks and however often. Amounts are decimal text.
"""

import json
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from remit.packs.payables.amounts import amount_text, decimal_of

#: How long one process waits for another's transaction.
_BUSY_SECONDS = 30.0
_SCHEMA = """
CREATE TABLE vendors (id TEXT PRIMARY KEY, name TEXT NOT NULL, vat_id TEXT, status TEXT NOT NULL);
CREATE TABLE accounts (
    vendor TEXT NOT NULL REFERENCES vendors (id),
    iban TEXT NOT NULL,
    currency TEXT NOT NULL,
    is_primary INTEGER NOT NULL,
    PRIMARY KEY (vendor, iban)
);
CREATE TABLE orders (
    number TEXT PRIMARY KEY,
    vendor TEXT NOT NULL REFERENCES vendors (id),
    amount TEXT NOT NULL,
    currency TEXT NOT NULL,
    contract TEXT
);
CREATE TABLE payments (
    invoice TEXT NOT NULL,
    vendor TEXT NOT NULL,
    account TEXT NOT NULL,
    amount TEXT NOT NULL,
    currency TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE,
    note TEXT NOT NULL,
    paid_at TEXT NOT NULL,
    UNIQUE (vendor, invoice)
);
"""


class ErpError(Exception):
    """The ERP says no; nothing was written."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Account:
    """An account on file."""

    iban: str
    currency: str
    primary: bool


@dataclass(frozen=True, slots=True)
class Vendor:
    """A vendor on file; `status` is `active` or `blocked`."""

    id: str
    name: str
    vat_id: str | None
    status: str
    accounts: tuple[Account, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """Who a document's seller is in the ERP."""

    vendor: Vendor | None = None
    #: `vat_id` or `name`; None where nobody was found.
    matched_by: str | None = None
    #: Why the match may be somebody else's, in a sentence of the ERP's own data.
    conflict: str | None = None

    def to_json(self) -> dict[str, Any]:
        vendor = None if self.vendor is None else {**asdict(self.vendor), "accounts": self._accounts(self.vendor)}
        return {"vendor": vendor, "matched_by": self.matched_by, "conflict": self.conflict}

    def _accounts(self, vendor: Vendor) -> list[dict[str, Any]]:
        return [asdict(account) for account in vendor.accounts]


@dataclass(frozen=True, slots=True)
class Order:
    """A purchase order."""

    number: str
    vendor: str
    amount: str
    currency: str
    contract: str | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A payment that was made."""

    invoice: str
    vendor: str
    account: str
    amount: str
    currency: str
    key: str
    note: str
    #: ISO 8601, UTC.
    paid_at: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def create(path: Path, seed_path: Path) -> None:
    """Make the ERP from a seed file; it appears under its name only when it is whole.

    Raises:
        KeyError, ValueError: the seed lacks a part, or is no JSON.
    """
    seed = json.loads(seed_path.read_text("utf-8"))
    half = path.with_name(f".{path.name}.{os.getpid()}")
    half.unlink(missing_ok=True)
    with closing(_connect(half)) as connection:
        connection.executescript(_SCHEMA)
        with _transaction(connection):
            for vendor in seed["vendors"]:
                _add_vendor(connection, vendor)
            for order in seed["orders"]:
                row = (order["number"], order["vendor"], order["amount"], order["currency"], order.get("contract"))
                connection.execute("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", row)
    half.replace(path)
    _sync_folder(path.parent)


def find_vendor(path: Path, *, vat_id: str | None, name: str | None) -> Found:
    """The vendor with this VAT id, else with exactly this name; upper case, spaces and punctuation do not matter."""
    with closing(_connect(path)) as connection:
        rows = connection.execute("SELECT id, name, vat_id, status FROM vendors ORDER BY id").fetchall()
        by_vat_id = _only(rows, 2, vat_key(vat_id), vat_key)
        by_name = _only(rows, 1, name_key(name), name_key)
        if by_vat_id is not None:
            vendor = _vendor(connection, by_vat_id)
            return Found(vendor, "vat_id", _name_conflict(vendor, by_name, name))
        if by_name is not None:
            vendor = _vendor(connection, by_name)
            return Found(vendor, "name", _vat_id_conflict(vendor, vat_id))
    return Found()


def find_order(path: Path, number: str) -> Order | None:
    """The purchase order with this number."""
    with closing(_connect(path)) as connection:
        row = connection.execute("SELECT * FROM orders WHERE number = ?", (number.strip(),)).fetchone()
    return None if row is None else Order(*row)


def find_payment(path: Path, vendor: str, invoice: str) -> Receipt | None:
    """The payment that was made on this vendor's invoice."""
    with closing(_connect(path)) as connection:
        return _payment(connection, "vendor = ? AND invoice = ?", vendor, invoice)


def payments(path: Path) -> tuple[Receipt, ...]:
    """Every payment, in the order in which they were made."""
    with closing(_connect(path)) as connection:
        return tuple(Receipt(*row) for row in connection.execute("SELECT * FROM payments ORDER BY rowid"))


def pay(
    path: Path,
    *,
    invoice: str,
    vendor: str,
    account: str,
    amount: str,
    currency: str,
    key: str,
    note: str,
    paid_at: str,
) -> Receipt:
    """Pay an invoice once; a second call with the same key answers with the first receipt and writes nothing.

    Raises:
        ErpError: `invalid_amount`, `vendor_unknown`, `vendor_blocked`, `account_not_on_file`, `already_paid` (the
            invoice, under another key) or `key_reused` (the key, for something else).
    """
    value = decimal_of(amount)
    if value is None or value <= 0 or not re.fullmatch(r"[A-Z]{3}", currency):
        raise ErpError("invalid_amount", "A payment needs a currency and a decimal amount above zero.")
    asked = Receipt(invoice, vendor, account_key(account), amount_text(value) or "", currency, key, note, paid_at)
    with closing(_connect(path)) as connection, _transaction(connection):
        before = _payment(connection, "key = ?", key)
        if before is not None:
            return _same(before, asked)
        _check_payee(connection, asked)
        if _payment(connection, "vendor = ? AND invoice = ?", vendor, invoice) is not None:
            raise ErpError("already_paid", f"This invoice of {vendor} was paid before.")
        row = (invoice, vendor, asked.account, asked.amount, currency, key, note, paid_at)
        connection.execute("INSERT INTO payments VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    return asked


def vat_key(vat_id: str | None) -> str:
    """A VAT id as it is compared: capitals and digits only."""
    return re.sub(r"[^0-9A-Z]", "", (vat_id or "").upper())


def name_key(name: str | None) -> str:
    """A company's name as it is compared: lower case, words separated by one space."""
    return " ".join(re.findall(r"\w+", (name or "").casefold()))


def account_key(iban: str) -> str:
    """An IBAN as it is compared: capitals and digits without spaces."""
    return "".join(iban.split()).upper()


# --- inside


def _connect(path: Path) -> sqlite3.Connection:
    if not path.name.startswith(".") and not path.exists():
        raise ErpError("no_erp", "This home has no ERP.")
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One write at a time across processes; all of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _add_vendor(connection: sqlite3.Connection, vendor: Mapping[str, Any]) -> None:
    row = (vendor["id"], vendor["name"], vendor.get("vat_id"), vendor.get("status", "active"))
    connection.execute("INSERT INTO vendors VALUES (?, ?, ?, ?)", row)
    for account in vendor["accounts"]:
        filed = (vendor["id"], account_key(account["iban"]), account["currency"], int(account["primary"]))
        connection.execute("INSERT INTO accounts VALUES (?, ?, ?, ?)", filed)


def _only(rows: Sequence[Any], column: int, wanted: str, key: Any) -> Any:
    """The one row with this key; None where there is none, or more than one."""
    found = [row for row in rows if wanted and key(row[column]) == wanted]
    return found[0] if len(found) == 1 else None


def _vendor(connection: sqlite3.Connection, row: Sequence[Any]) -> Vendor:
    filed = connection.execute(
        "SELECT iban, currency, is_primary FROM accounts WHERE vendor = ? ORDER BY is_primary DESC, iban", (row[0],)
    )
    accounts = tuple(Account(iban, currency, bool(primary)) for iban, currency, primary in filed)
    return Vendor(row[0], row[1], row[2], row[3], accounts)


def _name_conflict(vendor: Vendor, by_name: Sequence[Any] | None, name: str | None) -> str | None:
    if by_name is not None and by_name[0] != vendor.id:
        return f"The VAT id is that of {vendor.id} ({vendor.name}), the name that of {by_name[0]} ({by_name[1]})."
    if name and not set(name_key(name).split()) & set(name_key(vendor.name).split()):
        return f"The VAT id is that of {vendor.id} ({vendor.name}), and the document gives quite another name."
    return None


def _vat_id_conflict(vendor: Vendor, vat_id: str | None) -> str | None:
    if vat_key(vat_id) and vat_key(vendor.vat_id):
        return f"The name is that of {vendor.id} ({vendor.name}), and the document's VAT id is not the one on file."
    return None


def _payment(connection: sqlite3.Connection, condition: str, *values: str) -> Receipt | None:
    query = f"SELECT * FROM payments WHERE {condition}"  # noqa: S608 -- one of the three conditions that stand in this file
    row = connection.execute(query, values).fetchone()
    return None if row is None else Receipt(*row)


def _same(before: Receipt, asked: Receipt) -> Receipt:
    """The first receipt, where the repeated call asks for the same; note and time may differ."""
    told = [(one.invoice, one.vendor, one.account, Decimal(one.amount), one.currency) for one in (before, asked)]
    if told[0] != told[1]:
        raise ErpError("key_reused", "This key has paid something else before.")
    return before


def _check_payee(connection: sqlite3.Connection, asked: Receipt) -> None:
    row = connection.execute("SELECT id, name, vat_id, status FROM vendors WHERE id = ?", (asked.vendor,)).fetchone()
    if row is None:
        raise ErpError("vendor_unknown", f"There is no vendor {asked.vendor}.")
    if row[3] != "active":
        raise ErpError("vendor_blocked", f"{asked.vendor} is {row[3]}.")
    if asked.account not in {account.iban for account in _vendor(connection, row).accounts}:
        raise ErpError("account_not_on_file", f"The account is not on file for {asked.vendor}.")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
