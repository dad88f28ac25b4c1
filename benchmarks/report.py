"""The figures as a table for people."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from flows import flows_text

REMIT = "Remit"
#: Above this share of the cores for other processes a run says little.
DISTURBED = 0.1
#: What the design owes for one decision of policy, in microseconds.
OWED_DECISION_US = 5
#: What the design owes, by missions at once.
OWED = {1: 500, 16: 2_000}
#: The most CPU that one governed call may take, in microseconds.
OWED_CALL_US = 1_500


def text(found: dict[str, Any]) -> str:
    """The whole report."""
    parts = (
        _head(found),
        _race(found),
        _growth(found),
        flows_text(found["flows"]),
        _door(found),
        policy(found),
        _tokens(found),
        _conditions(found),
    )
    return "\n\n".join("\n".join(part) for part in parts)


def page(found: dict[str, Any], shown: str) -> str:
    """The report as a page of results/."""
    return f"# Figures of {found['at'][:10]}\n\n```text\n{shown}\n```\n"


def _head(found: dict[str, Any]) -> Iterable[str]:
    yield f"Measured {found['at']} in {found['seconds']:.0f} s; median of {found['repeats']}, lowest to highest in ()"
    for name, value in found["machine"].items():
        yield f"  {name:10} {value}"
    yield f"  {'load':10} {found['load_before']} before, {found['load_after']} after"
    runs = [*found["race"], *found["growth"]]
    shares = [run["others"] for run in runs]
    disturbed = sum(share > DISTURBED for share in shares)
    yield f"  {'others':10} used more than {DISTURBED:.0%} of the cores in {disturbed} of {len(shares)} runs"
    bare = median(run["steps_per_second"] for run in found["disk"])
    yield f"  {'bare disk':10} {bare:,.0f}/s of two durable SQLite commits each, one after the other"


def _race(found: dict[str, Any]) -> Iterable[str]:
    yield "Durable steps (Remit's alone are governed: policy, budget, intent before effect, hash chain, encryption)"
    yield f"  {'at once':>7}  {'engine':31} {'steps/s':>8} {'':15} {'CPU us/step':>11} {'Remit is':>9}"
    race = found["race"]
    for missions in dict.fromkeys(run["missions"] for run in race):
        here = [run for run in race if run["missions"] == missions]
        remit = [run for run in here if run["engine"] == REMIT]
        for engine in dict.fromkeys(run["engine"] for run in here):
            runs = [run for run in here if run["engine"] == engine]
            rates = [run["steps_per_second"] for run in runs]
            ratio = median(
                one["steps_per_second"] / other["steps_per_second"] for one, other in zip(remit, runs, strict=True)
            )
            span = f"({min(rates):,.0f} to {max(rates):,.0f})"
            cpu = median(run["cpu_us"] for run in runs)
            owed = f"  owed {OWED[missions]:,}" if engine == REMIT and missions in OWED else ""
            beside = "" if engine == REMIT else f"{ratio:8.1f}x"
            yield f"  {missions:7}  {engine:31} {median(rates):8,.0f} {span:15} {cpu:11,.0f} {beside:>9}{owed}".rstrip()


def _growth(found: dict[str, Any]) -> Iterable[str]:
    runs = found["growth"]
    count = len(runs[0]["blocks"]["wall_us"])
    yield f"One mission of {runs[0]['steps']:,} steps, by blocks of {runs[0]['steps'] // count}"
    ends = " ".join(f"{(block + 1) * runs[0]['steps'] // count:6,}" for block in range(count))
    yield f"  {'us/step':38} {ends}   last 3 / first 3"
    engines = list(dict.fromkeys(run["engine"] for run in runs))
    for what, shown in (("wall_us", "wall"), ("cpu_us", "CPU")):
        for engine in engines:
            blocks = _blocks([run for run in runs if run["engine"] == engine], what)
            ratio = sum(blocks[-3:]) / sum(blocks[:3])
            yield f"  {engine:31} {shown:>6} {' '.join(f'{value:6,.0f}' for value in blocks)}   {ratio:.2f}"
    yield ""
    yield f"  {'':31} {'store bytes/step':>17} {'ms before the first step':>26}"
    for engine in engines:
        own = [run for run in runs if run["engine"] == engine]
        before = median(run["blocks"]["before_first_ms"] for run in own)
        yield f"  {engine:31} {median(run['bytes_per_step'] for run in own):17,.0f} {before:26,.0f}"


def _blocks(runs: Sequence[dict[str, Any]], what: str) -> list[float]:
    return [median(values) for values in zip(*(run["blocks"][what] for run in runs), strict=True)]


def _door(found: dict[str, Any]) -> Iterable[str]:
    yield "One governed call through the bare door (policy, budget, durable entries): a Python tool, no network"
    yield f"  {'at once':>7}  {'calls/s':>8} {'':15} {'CPU us/call':>11}  {'on the loop':>14}  {'without door':>15}"
    for at_once in dict.fromkeys(run["at_once"] for run in found["door"]):
        runs = [run for run in found["door"] if run["at_once"] == at_once]
        rates = [run["calls_per_second"] for run in runs]
        span = f"({min(rates):,.0f} to {max(rates):,.0f})"
        cpu, loop, direct = (median(run[name] for run in runs) for name in ("cpu_us", "loop_us", "direct_us"))
        owed = f"  owed {OWED_CALL_US:,}"
        yield f"  {at_once:7}  {median(rates):8,.0f} {span:15} {cpu:11,.0f}  {loop:14,.0f}  {direct:15.1f}{owed}"


def policy(found: dict[str, Any]) -> Iterable[str]:
    """Decisions of policy alone."""
    yield "One decision of policy (4 rules in each, critical tool); the first for an agent and a tool makes its plan"
    yield f"  {'policies':>8}  {'that name the agent':>19}  {'us':>8}  {'and every rule told':>19}  {'first us':>9}"
    for one in found["decisions"]:
        told = f"{one['told_us']:19,.1f}  {one['first_us']:9,.0f}"
        yield f"  {one['policies']:8,}  {one['naming']:19,}  {one['us']:8,.1f}  {told}"
    denying = ", ".join(f"{us:,.1f} us at {int(count):,}" for count, us in found["denying"].items())
    yield f"  policies for every agent that permit this tool and deny others: {denying}"
    yield ""
    yield "Beside evaluators with the same policies, one of which names the agent (us of processor time; Remit's time"
    yield f"holds the list of every rule that spoke, which it alone gives; owed {OWED_DECISION_US} at 1,000)"
    own = {str(one["policies"]): one["told_us"] for one in found["decisions"] if one["naming"] == 1}
    counts = sorted(own, key=int)
    yield f"  {'':34}" + "".join(f"{int(count):>10,}" for count in counts)
    for engine, times in [(REMIT, own), *((one["engine"], one["us"]) for one in found["deciding"])]:
        if times is not None:
            yield f"  {engine:34}" + "".join(f"{times[count]:10,.1f}" for count in counts)
    for one in found["deciding"]:
        if one["us"] is None:
            yield f"  {one['engine']} could not be measured: {one['because']}"


def _tokens(found: dict[str, Any]) -> Iterable[str]:
    yield "Which agent sent a request: CPU of its check (owed 600 us; the brief's figure is 3,000 to 7,000 us)"
    yield f"  {'':44} {'us':>6}"
    for one in found["authentication"]:
        yield f"  {one['what']:44} {one['us']:6,.0f}  ({one['least_us']:,.0f} to {one['most_us']:,.0f})"


def _conditions(found: dict[str, Any]) -> Iterable[str]:
    yield "Versions and durability, as each engine's own connection reports it"
    seen: dict[str, str] = {}
    for run in found["race"]:
        versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
        settings = ", ".join(f"{name}={value}" for name, value in run["settings"].items())
        seen[run["engine"]] = f"{versions}; {settings}"
    for engine, words in seen.items():
        yield f"  {engine:31} {words}"
