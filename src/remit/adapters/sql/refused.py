"""Why a call to a database was not made."""


class Refused(Exception):
    """The tool's own no: what was asked may not be asked of this source. It holds names, never values."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message

    def __str__(self) -> str:
        return f"{self.rule}: {self.message}"
