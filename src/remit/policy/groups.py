"""Rules of one kind weighed together: what they come to, at a cost that does not grow with how many they are.

Of a thousand limits on the same sum only the least and the greatest decide anything. `rules.py` says what each rule
means and tells of it; what stands here gives the same answer, and no sentences.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from remit.policy.decision import Request
from remit.policy.document import Policy
from remit.policy.rules import LEAVE, Rule, plain_account, spent_with
from remit.quantities import Rates
from remit.tools import Tool

#: What a group comes to; together where it comes to several.
DENIES, ASKS, LEAVES = 1, 2, 4

#: What all rules of one kind come to for a request.
Group = Callable[[Request], int]


def groups_for(covering: Sequence[Policy], conditions: Sequence[Rule], tool: Tool, rates: Rates | None) -> list[Group]:
    """All rules of these policies about a tool that they cover, except those that say the same of every request."""
    groups = [*_caps(covering), *([_each(conditions)] if conditions else [])]
    if not tool.sink:
        return groups
    if tool.role("amount") is not None:
        spending = _by_currency(
            (p.spending_limit.currency, p.spending_limit.micros) for p in covering if p.spending_limit
        )
        groups += [_spending(currency, min(limits), rates) for currency, limits in spending.items()]
        asking = _by_currency(
            (p.approval_limit.currency, p.approval_limit.micros) for p in covering if p.approval_limit
        )
        groups += [_approval(currency, min(limits), max(limits), rates) for currency, limits in asking.items()]
    vendors = [frozenset(p.allowed_vendors) for p in covering if p.allowed_vendors is not None]
    if vendors and tool.role("payee") is not None:
        groups.append(_vendors(vendors))
    accounts = [frozenset(map(plain_account, p.allowed_accounts)) for p in covering if p.allowed_accounts is not None]
    account = tool.role("account")
    if accounts and account is not None:
        groups.append(_accounts(accounts, account.argument))
    return groups


def _by_currency(limits: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for currency, micros in limits:
        found.setdefault(currency, []).append(micros)
    return found


def _spending(currency: str, least: int, rates: Rates | None) -> Group:
    def weigh(request: Request) -> int:
        if request.amount is None:
            return DENIES
        total, unknown = spent_with(request.mission_spent, request.amount, currency, rates)
        return DENIES if total > least else ASKS if unknown else 0

    return weigh


def _approval(currency: str, least: int, most: int, rates: Rates | None) -> Group:
    def weigh(request: Request) -> int:
        if request.amount is None:
            return DENIES
        spent = request.payee_spent if request.payee else request.mission_spent
        total, unknown = spent_with(spent, request.amount, currency, rates)
        if unknown:
            return ASKS
        return (ASKS if total > least else 0) | (LEAVES if total <= most else 0)

    return weigh


def _vendors(lists: Sequence[frozenset[str]]) -> Group:
    distinct = tuple(dict.fromkeys(lists))
    everywhere = _in_all(distinct)

    def weigh(request: Request) -> int:
        payee, name = request.payee, request.payee_name
        if payee is None:
            return DENIES
        if payee in everywhere:
            return 0
        if name is None:
            return DENIES
        return 0 if all(payee in allowed or name in allowed for allowed in distinct) else DENIES

    return weigh


def _accounts(lists: Sequence[frozenset[str]], argument: str) -> Group:
    everywhere = _in_all(tuple(dict.fromkeys(lists)))

    def weigh(request: Request) -> int:
        account = request.arguments.get(argument)
        return 0 if isinstance(account, str) and plain_account(account) in everywhere else DENIES

    return weigh


def _in_all(lists: Sequence[frozenset[str]]) -> frozenset[str]:
    counted = Counter(one for allowed in lists for one in allowed)
    return frozenset(one for one, times in counted.items() if times == len(lists))


def _caps(covering: Sequence[Policy]) -> Iterator[Group]:
    reflections = [p.reflection_loop_cap for p in covering if p.reflection_loop_cap is not None]
    turns = [p.max_turns for p in covering if p.max_turns is not None]
    if reflections:
        least = min(reflections)
        yield lambda request: DENIES if request.reflections > least else 0
    if turns:
        fewest = min(turns)
        yield lambda request: DENIES if request.turns > fewest else 0


def _each(rules: Sequence[Rule]) -> Group:
    """Conditions may ask anything: each is asked itself, up to the first that denies."""
    meaning = {"deny": DENIES, "ask": ASKS}

    def weigh(request: Request) -> int:
        found = 0
        for rule in rules:
            told = rule(request)
            if told is not None:
                found |= LEAVES if told.rule == LEAVE else meaning.get(told.effect, 0)
                if found & DENIES:
                    return found
        return found

    return weigh
