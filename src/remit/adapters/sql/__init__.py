"""Tools of a database: declared queries, guarded free queries, and writes through declared statements.

Reads are made on connections that cannot write. A free query is parsed, checked against an allow-list and written out
anew; its text never reaches the database. Importing this folder imports neither the parser nor a database's client.
"""

from remit.adapters.sql.transport import SqlTransport

__all__ = ["SqlTransport"]
