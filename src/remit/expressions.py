"""CEL expressions that are true or false: compiled and type-checked over named variables, and asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cel_expr_python import cel

LENGTH_MAX = 2000


@dataclass(frozen=True, slots=True)
class Conditions:
    """Conditions over the same variables."""

    variables: Mapping[str, Any]
    #: True where a part that is typed only when it is asked may stand for the whole.
    may_be_untyped: bool = False
    #: What would help, by the compiler's message; empty for nothing.
    advice: Callable[[str], str] = lambda _told: ""
    _environment: Any = field(init=False)

    def __post_init__(self) -> None:
        """Make the compiler."""
        object.__setattr__(self, "_environment", cel.NewEnv(variables=self.variables))

    def compiled(self, when: str) -> Any:
        """The condition as it is asked.

        Raises:
            ValueError: it does not compile, or gives anything but true or false; says why in one line.
        """
        if len(when) > LENGTH_MAX:
            raise ValueError(f"the condition has {len(when)} characters; at most {LENGTH_MAX} are read")
        try:
            program = self._environment.compile(when)
        except TypeError:
            raise ValueError("the condition is not Unicode text") from None
        except RuntimeError as error:
            told = first_line(error).replace("INVALID_ARGUMENT: ", "").removesuffix(" [INVALID_ARGUMENT]")
            told = told.removeprefix("ERROR: <input>:").strip()
            known = f"; known are {', '.join(self.variables)}" if "undeclared reference" in told else ""
            raise ValueError(f"this is no valid condition: {told}{known or self.advice(told)}") from error
        if program.return_type() not in ((cel.Type.BOOL, cel.Type.DYN) if self.may_be_untyped else (cel.Type.BOOL,)):
            kind = program.return_type().name()
            raise ValueError(f"the condition gives {kind}: expected a comparison that is true or false")
        return program


def asked(program: Any, values: Mapping[str, Any]) -> Any:
    """What a compiled condition comes to; CEL gives its errors back as values.

    Raises:
        ValueError: it cannot be told, as when a value is missing or of another type.
    """
    try:
        return program.eval(data=values).value()
    except Exception as error:  # the C++ binding names no types: whatever it raises, the answer is not known
        raise ValueError(first_line(error)) from error


def first_line(error: object) -> str:
    """The first line of what an error says; its type where it says nothing."""
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
