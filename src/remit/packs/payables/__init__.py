"""Payables: reads invoices, contracts and procedures, matches them with the ERP and proposes what may be paid.

The leaves are plain code: `reading` says what a document states and where, `matching` decides pay, ask or refuse with
its reasons, `erp` is the database that pays, and `document_server` serves the documents of one folder over MCP.
"""

from remit.packs.payables.pack import documents_in, prepare, resource_files, sample_folder, stage

__all__ = ["documents_in", "prepare", "resource_files", "sample_folder", "stage"]
