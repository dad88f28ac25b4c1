"""The two sample contracts and the two operating procedures, in words."""

from dataclasses import dataclass
from datetime import date

from samples import parties
from samples.parties import BUYER, Party


@dataclass(frozen=True, slots=True)
class ContractText:
    """A contract's parties and clauses."""

    file: str
    title: str
    number: str
    supplier: Party
    signed: date
    #: Paragraphs; a short one without a full stop is a heading.
    text: str

    @property
    def sections(self) -> list[tuple[str, list[str]]]:
        """Each heading with its clauses."""
        found: list[tuple[str, list[str]]] = []
        for paragraph in self.text.split("\n\n"):
            clause = " ".join(paragraph.split())
            if clause.endswith("."):
                found[-1][1].append(clause)
            else:
                found.append((clause, []))
        return found


CONTRACTS = (
    ContractText(
        "contract-brunner.pdf",
        "Framework Service Agreement",
        "FA-2026-014",
        parties.BRUNNER,
        date(2025, 12, 11),
        """\
Subject

The Supplier cleans and looks after the Customer's warehouse at Sandtorkai 112 in Hamburg. Each month's work
is agreed in writing beforehand.

Price

The Supplier charges a rate of EUR 38.50 per hour, to which statutory VAT is added. Travel and material are
part of the price.

All invoices under this agreement together shall not exceed EUR 4,000.00 including VAT. Work beyond this
ceiling is owed only where the Customer has ordered it in writing.

Payment

Invoices are payable within 30 days of receipt. They name the number of this agreement and the hours worked.

The Customer pays to the account that the Supplier has given when this agreement was signed. A change of
account takes effect once the Customer has confirmed it by telephone under the number known to it.

Term

This agreement runs from 1 January 2026 to 31 December 2026. Either party may end it with four weeks' notice
to the end of a month.

Other

Changes to this agreement are made in writing. The law of the Federal Republic of Germany applies; the courts
of Hamburg have jurisdiction.
""",
    ),
    ContractText(
        "contract-tessin.pdf",
        "Service Agreement",
        "SA-2026-007",
        parties.TESSIN,
        date(2026, 1, 20),
        """\
Subject

The Supplier translates customs documents, bills of lading and certificates of origin for the Customer into
the languages that the Customer names with each job.

Price

Translation is charged at a rate of EUR 62.00 per hour plus statutory VAT. Urgent jobs, to be done within one
working day, are charged at the same price.

The total amount invoiced over the term shall not exceed EUR 25,000.00 including VAT (the ceiling).

Payment

Invoices are issued monthly and are payable within 30 days.

No purchase order is needed for jobs under this agreement; its number on the invoice is sufficient.

Confidentiality

The Supplier keeps secret what it learns from the documents, also after this agreement has ended, and deletes
its copies after ninety days.

Term

This agreement is in force from 1 February 2026 to 31 January 2027. It ends without notice.
""",
    ),
)

ORDERS_PROCEDURE = (
    "sop-orders.md",
    f"""# Standard operating procedure SOP-AP-01: Orders and invoices

{BUYER.name}, Accounts Payable. In force since 1 January 2026.

## Purpose

Whoever buys for the company orders before the work begins, and whoever pays can see what was ordered.

## Rules

Every invoice above EUR 2,500 requires a purchase order, unless a contract on file covers the work. The number of the
order or of the contract must stand on the invoice.

An invoice must be refused where its own figures do not add up. The vendor is asked for a corrected one; nobody corrects
an invoice for a vendor.

An invoice is paid once. A second copy of the same invoice must be refused, whatever it is called and whoever sends it.

Where a contract sets a ceiling, invoices beyond it need the decision of the person who signed the contract.

## Records

Each decision is kept with its reasons for ten years.
""",
)
PAYMENTS_PROCEDURE = (
    "sop-payments.txt",
    f"""STANDARD OPERATING PROCEDURE SOP-AP-02
Payments to vendors

{BUYER.name}, Accounts Payable
In force since 1 January 2026

1. Accounts

Payments go only to accounts that are on file for the vendor in the ERP. An account number on an
invoice, in a letter or in an e-mail is never a reason to pay to it.

A vendor who wants to be paid to another account must write to the master data team. The team calls
the vendor back under the number on file before it changes anything.

2. Four eyes

Payments above EUR 5,000 need a second person. The second person sees the invoice, the order or the
contract, and the account before saying yes.

3. Doubt

Where a document leaves doubt, a person decides. Pressure of time is never a reason to skip a step; an
invoice that demands haste needs more care, not less.
""",
)
PROCEDURES = (ORDERS_PROCEDURE, PAYMENTS_PROCEDURE)
