import pytest
from tests.adapters.sql.databases import a_file, a_mysql, a_postgres, a_source, a_tool, a_transport, sqlite_source
from tests.contracts.transport import Example, TransportContract

#: Counts rows of a product so large that no database ends it in time.
_ENDLESS = "SELECT COUNT(*) AS n FROM " + ", ".join(f"orders o{number}" for number in range(22))


class SqlContract(TransportContract):
    def success(self):
        return Example(a_tool("vendor_named"), {"name": "O'Hara"}, content={"rows": [{"id": 3}], "truncated": False})

    def failure(self):
        return Example(a_tool("query"), {"sql": "SELECT iban FROM vendors"}, error="unknown_name")

    def slow(self):
        return Example(a_tool("query", timeout_seconds=0.2), {"sql": _ENDLESS})


class TestSqlite(SqlContract):
    @pytest.fixture(autouse=True)
    def _database(self, tmp_path):
        self.folder = tmp_path
        a_file(tmp_path)

    def transport(self):
        return a_transport(sqlite_source("{home}/erp.sqlite"), folder=self.folder)

    def unreachable(self):
        return a_transport(sqlite_source(self.folder / "none.sqlite"))


class TestPostgres(SqlContract):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _database(cls):
        with a_postgres() as cls.url:
            yield

    def transport(self):
        return a_transport(a_source("postgres", self.url))

    def unreachable(self):
        return a_transport(a_source("postgres", "postgresql://postgres@127.0.0.1:9/none"))


class TestMysql(SqlContract):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _database(cls):
        with a_mysql() as cls.url:
            yield

    def transport(self):
        return a_transport(a_source("mysql", self.url))

    def unreachable(self):
        return a_transport(a_source("mysql", "mysql://root@127.0.0.1:9/none"))
