"""The catalogue of errors.

Three families say whose move it is: `Refusal` (the answer is no), `Fault` (we could not answer) and `Misuse` (the
caller's mistake). The docstring of a class is its message; `detail` names the case at hand; `hint` is the next action.
The reference page and the API's problem types are generated from this file.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar


class RemitError(Exception):
    """Something that Remit says no to, could not do, or was asked wrongly."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    hint: ClassVar[str] = ""

    def __init__(
        self, detail: str = "", *, hint: str = "", rule: str = "", remedy: str = "", retry_after_seconds: float = 0.0
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.advice = hint or self.hint
        #: The rule that spoke, where one did: a policy's rule, a guard, an obligation.
        self.rule = rule or self.code
        #: YAML of what would permit it, where a resource would: for a person to look at, never applied by itself.
        self.remedy = remedy
        #: When to come again; 0 where nothing is known of that.
        self.retry_after_seconds = retry_after_seconds

    @property
    def title(self) -> str:
        """The class's message: one sentence, without the case at hand."""
        return (self.__doc__ or "").strip().splitlines()[0]

    def __str__(self) -> str:
        return f"{self.title} {self.detail}".strip()

    def to_json(self) -> dict[str, object]:
        """The problem as RFC 9457 shows it, plus `rule`, `retryable`, `hint`, `remedy` and when to come again."""
        told: dict[str, object] = {
            "type": f"urn:remit:error:{self.code}",
            "code": self.code,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "rule": self.rule,
            "retryable": self.retryable,
            "hint": self.advice,
            "remedy": self.remedy,
        }
        if self.retry_after_seconds:
            told["retry_after_seconds"] = math.ceil(self.retry_after_seconds)
        return told


class Refusal(RemitError):
    """The answer is no."""

    status = 403


class Fault(RemitError):
    """Remit could not answer."""

    status = 503
    retryable = True


class Misuse(RemitError):
    """The caller made a mistake."""

    status = 400


# --- Refusals: the door, policy, budgets, approvals -----------------------------------------------------------------


class Halted(Refusal):
    """A halt is in force."""

    code = "halted"
    status = 409
    hint = "Lift it with `remit halt --lift` when the cause is gone."


class NoPolicy(Refusal):
    """No policy permits this agent to use this tool."""

    code = "no_policy"
    hint = "Add a policy that permits it, and apply it with `remit apply -f`."


class PolicyDenied(Refusal):
    """A policy denies this call."""

    code = "policy_denied"
    hint = "`remit policies explain` shows every rule that spoke."


class NotGranted(Refusal):
    """The agent, or the token it works under, was not given this tool."""

    code = "not_granted"
    hint = "Grant the tool in the agent's version, then apply it; a token must name it too."


class UnknownTool(Refusal):
    """No such tool is registered."""

    code = "unknown_tool"
    status = 404
    hint = "`remit tools` lists what is registered."


class PinBroken(Refusal):
    """The tool's definition is not the one that was accepted."""

    code = "pin_broken"
    hint = "`remit doctor` shows what changed; a person accepts it by applying the source's file again."


class FlowRefused(Refusal):
    """A value may not flow into this argument."""

    code = "flow_refused"
    hint = "The value must come from a person, from a directory tool, or be endorsed; `remit why` shows its origin."


class LoopStopped(Refusal):
    """A loop guard stopped the work."""

    code = "loop_stopped"
    status = 409
    hint = "Look at the repeated transition with `remit why`; declare polling or use a timer if waiting was meant."


class BudgetExhausted(Refusal):
    """The budget does not cover the next call."""

    code = "budget_exhausted"
    status = 409
    hint = "Raise the budget with `remit apply`, or shorten the plan; nothing was spent on this call."

    def __init__(self, detail: str = "", *, balance: str = "", needed: int = 0, **more: Any) -> None:
        super().__init__(detail, **more)
        #: The balance that is too small; empty where it is not known.
        self.balance = balance
        #: The limit that it would take, in micro-units.
        self.needed = needed


class NoBudget(Refusal):
    """There is no budget row for this work."""

    code = "no_budget"
    hint = "Apply a `kind: Budget` for the tenant, or submit the mission with a limit."


class RightsExceeded(Refusal):
    """This person may not do this, nor may an agent on their behalf."""

    code = "rights_exceeded"
    hint = "Ask someone who holds the right, or have it granted in the person's `kind: Principal`."


class NobodyWaits(Refusal):
    """No mission waits for this event."""

    code = "nobody_waits"
    status = 409
    hint = "Send it again once one does; `remit missions show` says what a mission waits for."


class EventNotAuthentic(Refusal):
    """The event is not signed by whom it should be, or not of now."""

    code = "event_not_authentic"
    status = 401
    hint = "Check the address, the secret, the form of the signature, and the clock of whoever sends it."


class MissionEnded(Refusal):
    """The mission does not take new work any more."""

    code = "mission_ended"
    status = 409
    hint = "Submit a new mission."


class MissionStops(Refusal):
    """The mission takes no new work: what was done is being undone."""

    code = "mission_stops"
    status = 409
    hint = "`remit missions show ID` says what is being undone."


class NotPossibleNow(Refusal):
    """The mission stands in a way in which this cannot be done."""

    code = "not_possible_now"
    status = 409
    hint = "`remit missions show ID` says how its steps stand."


class PriceUnknown(Refusal):
    """The model's price is not known, so its worst case cannot be held."""

    code = "price_unknown"
    hint = "Set REMIT_MODEL_PRICE to INPUT/OUTPUT in US dollars per million tokens."


class AlreadyAnswered(Refusal):
    """The approval was answered before."""

    code = "already_answered"
    status = 409
    hint = "`remit approvals show ID` says by whom and how; a verdict is used once."


class ApprovalExpired(Refusal):
    """The time to answer this approval is over."""

    code = "approval_expired"
    status = 409
    hint = "Run the mission again to have the call proposed anew."


class AnswerNotAllowed(Refusal):
    """This answer is not open to a person here."""

    code = "answer_not_allowed"
    status = 409
    hint = "`remit approvals show ID` lists the answers that are."


class ApprovalPending(Refusal):
    """The call waits for a person."""

    code = "approval_pending"
    status = 409
    retryable = True
    hint = "Make exactly the same call again later: it is answered with what became of it, and is not made twice."

    def __init__(self, detail: str = "", *, hint: str = "", rule: str = "", approval: str = "") -> None:
        super().__init__(detail, hint=hint, rule=rule)
        #: The question's id; empty where it is not at hand.
        self.approval = approval

    def to_json(self) -> dict[str, object]:
        """The problem, with the question that it waits for."""
        return {**super().to_json(), **({"approval": self.approval} if self.approval else {})}


class VersionExists(Refusal):
    """A version with this number exists and its content differs."""

    code = "version_exists"
    status = 409
    hint = "A version is immutable: give the new content a new version number."


class NotBuilt(Refusal):
    """This part of Remit is not built yet."""

    code = "not_built"
    status = 501
    hint = "The changelog says what this release contains."


class AgentFailed(Refusal):
    """The agent could not do its step."""

    code = "agent_failed"
    status = 422
    hint = "`remit missions show ID` names the step and its error."


class SubMissionFailed(Refusal):
    """The mission that the step began did not complete."""

    code = "sub_mission_failed"
    status = 422
    hint = "`remit missions show ID` of that mission names the step and its error."


class ToolFailed(Refusal):
    """The tool answered with an error."""

    code = "tool_failed"
    status = 502
    hint = "The error is the tool's own; `remit ledger show` has the call."

    def __init__(
        self, detail: str = "", *, hint: str = "", rule: str = "", raw: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(detail, hint=hint, rule=rule)
        #: The tool's own answer as it came, for a caller that speaks its protocol; part of no text.
        self.raw = raw


# --- Refusals: working state and memory ------------------------------------------------------------------------------


class StalePointer(Refusal):
    """The state pointer does not lead to a state that may be read any more."""

    code = "stale_pointer"
    status = 409
    hint = "Have the agent that owns the state hand over a new pointer; one lives for 15 minutes at most."


class PointerForged(Refusal):
    """This is no state pointer that this home has signed."""

    code = "pointer_forged"
    hint = "Pass the pointer on exactly as it was given, whole and unchanged."


class PointerNotYours(Refusal):
    """The state pointer was given to another agent, or for other work."""

    code = "pointer_not_yours"
    hint = "Ask the agent that owns the state for a pointer of your own."


class MemoryFull(Refusal):
    """This memory holds as many notes as it may."""

    code = "memory_full"
    status = 409
    hint = "Forget notes that are not needed, or write fewer and longer ones."


class MemoryTooWide(Refusal):
    """What is confidential is not kept where others would read it."""

    code = "memory_too_wide"
    hint = "Keep it in the scope `mission` or `person`, or keep what may be told more widely."


class LegalHold(Refusal):
    """This memory is under a legal hold, so nothing in it is erased."""

    code = "legal_hold"
    status = 409
    hint = "Whoever set the hold lifts it with `remit memory release`; `remit memory list` shows who that is."


# --- Refusals: tokens and signatures of agents ----------------------------------------------------------------------


class NotAuthentic(Refusal):
    """The request does not prove who asks."""

    status = 401


class TokenMalformed(NotAuthentic):
    """This is no agent's token of Remit."""

    code = "token_malformed"
    hint = "Send the text that `remit token` printed, whole, as `Authorization: Bearer TOKEN`."


class TokenAlgorithm(NotAuthentic):
    """The token names an algorithm that is not taken."""

    code = "token_algorithm"
    hint = "Agents' tokens are signed with ES256 alone; ask for one with `remit token`."


class TokenUnknownKey(NotAuthentic):
    """The token was signed by a key that this home does not use."""

    code = "token_unknown_key"
    hint = "Ask for a new token with `remit token`; a key is let go some time after it was rotated."


class TokenForged(NotAuthentic):
    """The token is not as its key signed it."""

    code = "token_forged"
    hint = "Ask for a new token with `remit token`, and look for who changed this one."


class TokenWrongAudience(NotAuthentic):
    """The token is meant for someone else."""

    code = "token_wrong_audience"
    hint = "Ask the home that you speak to for a token of its own."


class TokenNotYetValid(NotAuthentic):
    """The token is not valid yet."""

    code = "token_not_yet_valid"
    hint = "Compare the clocks of the two machines."


class TokenExpired(NotAuthentic):
    """The token's time is over."""

    code = "token_expired"
    hint = "Ask for a new token with `remit token`, some time before the old one ends."


class TokenTooLong(NotAuthentic):
    """The token would live longer than a token may."""

    code = "token_too_long"
    hint = "A token lives from 5 to 15 minutes; ask for a new one before it ends."


class TokenRevoked(NotAuthentic):
    """The token was revoked."""

    code = "token_revoked"
    hint = "`remit token list --revoked` says by whom and why; ask for a new token if you still may."


class SignatureMissing(NotAuthentic):
    """The request must be signed, and is not."""

    code = "signature_missing"
    hint = "Sign each request with the key that the token confirms; `remit.identity.sign` makes the headers."


class SignatureInvalid(NotAuthentic):
    """The request's signature does not hold."""

    code = "signature_invalid"
    hint = "Sign method, authority, path, query, content digest and authorization of exactly what is sent."


class SignatureReplayed(NotAuthentic):
    """This signed request was received before."""

    code = "signature_replayed"
    hint = "Sign each request anew, with a nonce of its own."


class SidecarUnknown(NotAuthentic):
    """No sidecar is enrolled with this token."""

    code = "sidecar_unknown"
    hint = "Enrol one with `remit sidecars enrol`, and start `remit sidecar` with the token file that it writes."


class AncestryForged(Refusal):
    """How the work came here is not what those who handed it on have signed."""

    code = "ancestry_forged"
    hint = "Who hands work on passes `remit/ancestry` and `remit/delegation` as they came, with its own added."


class DelegationWidened(Refusal):
    """A token may only pass on less than was given."""

    code = "delegation_widened"
    hint = "Ask for no more than the agent, or the token that it comes from, was granted."


# --- Refusals: doors beside agents ------------------------------------------------------------------------------------


class PolicyStale(Refusal):
    """The policy of this sidecar was not confirmed for longer than it may be."""

    code = "policy_stale"
    status = 503
    retryable = True
    hint = "Bring the control plane, or the way to it, back: calls go on with its next word."


class PersonNeeded(Refusal):
    """The call needs a person's answer, and a sidecar asks nobody."""

    code = "person_needed"
    hint = "Make the call at the control plane's own door, or permit it beforehand by policy or a standing approval."


class BundleRefused(Refusal):
    """What was pushed to this sidecar was not taken."""

    code = "bundle_refused"
    hint = "What was in force before holds until it is too old. Check who answers at the control plane's address."


class RecordRefused(Refusal):
    """The sidecar's record does not go on from where it stands at the control plane."""

    code = "record_refused"
    status = 409
    hint = "Its home was changed, put back from a copy, or runs twice. Remove it, and enrol it anew in a new home."


class LeaseRefused(Refusal):
    """The sidecar's account does not fit what it was granted."""

    code = "lease_refused"
    status = 409
    hint = "Its home was put back from a copy, or runs twice. Remove it, and enrol it anew in a new home."


class PoliciesPushed(Refusal):
    """Nothing is applied in a sidecar's home: its control plane pushes what is in force."""

    code = "policies_pushed"
    status = 409
    hint = "Apply the files at the control plane; they are here within about a second."


# --- Faults: stores, drivers, transports ----------------------------------------------------------------------------


class StreamMoved(Fault):
    """The stream has grown since this decision was taken."""

    code = "stream_moved"
    status = 409
    hint = "Read the stream again and decide anew; nothing was written."


class FactExists(Fault):
    """This fact is on record already."""

    code = "fact_exists"
    status = 409
    retryable = False
    hint = "Nothing is to be done: the first record stands."


class DriverReplaced(Fault):
    """Another driver has taken over this home."""

    code = "driver_replaced"
    status = 409
    retryable = False
    hint = "This process must stop; its decisions, claims and intents are refused."


class HomeBusy(Fault):
    """Another process drives this home."""

    code = "home_busy"
    status = 409
    hint = "Wait until it ends, use another --home, or run `remit serve` and let commands go through it."


class StoreCorrupted(Fault):
    """The store does not hold what it should."""

    code = "store_corrupted"
    status = 500
    retryable = False
    hint = "Stop, keep a copy of the home, and put the store back from a backup."


class StoreUnreachable(Fault):
    """The store could not be written or read."""

    code = "store_unreachable"
    hint = "Check the disk's free space and the home's permissions; nothing of this commit was written."


class StoreOutcomeUnknown(StoreUnreachable):
    """The store was lost while it wrote, and whether it has written is not known."""

    code = "store_outcome_unknown"
    hint = "Bring the store back, then look at what was to change before asking for it again."


class SchedulerUnreachable(Fault):
    """The scheduler of the cluster did not answer."""

    code = "scheduler_unreachable"
    hint = "Nothing is lost: the mission is on record, and is scheduled once the scheduler answers again."


class StoreTooNew(Fault):
    """The store was written by a newer release of Remit."""

    code = "store_too_new"
    status = 500
    retryable = False
    hint = "Use that release or a newer one on this home."


class RecordBehind(Fault):
    """The record of this sidecar cannot be sent on, and no more is kept."""

    code = "record_behind"
    hint = "Bring the control plane or the way to it back. `--record-max` sets how many entries may wait."


class ControlUnreachable(Fault):
    """The control plane did not answer its sidecar."""

    code = "control_unreachable"
    hint = "Check `--control`, the way there, and that `remit serve` runs."


class ToolUnreachable(Fault):
    """The tool could not be reached or did not answer in form."""

    code = "tool_unreachable"
    hint = "Check the source's command or address with `remit tools`; a read is tried again."


class ToolUnavailable(ToolUnreachable):
    """The source answered that it cannot serve the call now; it did nothing."""

    code = "tool_unavailable"
    hint = "It is tried again after a while."


class SourceUnasked(Fault):
    """The source could not be asked what it offers."""

    code = "source_unasked"
    status = 502
    hint = "Bring the source up, or correct its address, and ask again; nothing was kept."


class AnswerTooLong(ToolUnreachable):
    """The source's answer is longer than is read."""

    code = "answer_too_long"
    status = 502
    retryable = False
    hint = "Ask for less, or raise `network: {answer_bytes_max: ...}` in the source."


class EgressRefused(ToolUnavailable):
    """Remit does not connect to this address."""

    code = "egress_refused"
    status = 403
    retryable = False
    hint = "Correct the source's address, or declare what it may reach: `network: {allow: [ADDRESS]}`."


class CredentialMissing(ToolUnavailable):
    """The source's credential could not be read."""

    code = "credential_missing"
    hint = "Put the secret where the source's `credential: {ref: ...}` says, for the process that runs Remit."


class CredentialExposed(CredentialMissing):
    """Others on this machine may read the source's credential, so it is not used."""

    code = "credential_exposed"
    status = 403
    retryable = False
    hint = "Let its owner alone read it (`chmod 600`), and renew it if it may have been read."


class PersonCredentialMissing(CredentialMissing):
    """The person for whom the call is made has no credential at this source."""

    code = "person_credential_missing"
    status = 403
    retryable = False
    hint = "Have the person sign in there, or put their secret where `credential: {per_person: {ref: ...}}` says."


class CredentialRefused(ToolUnavailable):
    """The source did not take its credential; it did nothing."""

    code = "credential_refused"
    retryable = False
    hint = "Renew the secret that the source's `credential: {ref: ...}` names; the next call reads it again."


class StepTimeout(Fault):
    """The step was not done in time."""

    code = "step_timeout"
    status = 504
    hint = "Give the step a longer `timeout`, or look with `remit missions show ID` at what it waited for."


class RateLimited(Fault):
    """There were too many calls in this time."""

    code = "rate_limited"
    status = 429
    hint = "Come again after the time that it says, or have `limits` raised."


class Overloaded(Fault):
    """Too many calls wait already."""

    code = "overloaded"
    status = 429
    hint = "Come again after the time that it says."


class EffectUncertain(Fault):
    """It is not known whether the call took effect."""

    code = "effect_uncertain"
    retryable = False
    hint = "Look in the target system, then answer the question that was put to a person."


class ModelUnusable(Fault):
    """The language model gave no usable answer."""

    code = "model_unusable"
    hint = "The document waits for a person; check the model's address and its log."


class Internal(Fault):
    """Remit made a mistake."""

    code = "internal"
    status = 500
    retryable = False
    hint = "The log of the process has the cause; what was answered before is on record and is not lost."


class FilterBroken(Fault):
    """A filter for personal data does not do what it must."""

    code = "filter_broken"
    retryable = False
    hint = "Do not go on with this release; report it, and take `redact` out of the policy only if that is acceptable."


class KeyMissing(Fault):
    """The key that opens this home's bodies is missing or wrong."""

    code = "key_missing"
    status = 500
    retryable = False
    hint = "Put the home's `keys` folder back from the backup; without it bodies cannot be read."


class ReplayWindowFull(Fault):
    """So many signed requests came at once that a replay could not be told from a new one."""

    code = "replay_window_full"
    status = 429
    hint = "Send it again, signed anew, in a minute."


# --- Misuse ---------------------------------------------------------------------------------------------------------


class InvalidResource(Misuse):
    """A resource file is not valid; nothing of it was applied."""

    code = "invalid_resource"
    status = 422
    hint = "Mend every line named above and apply again."


class InvalidArguments(Misuse):
    """The arguments do not fit the tool's schema."""

    code = "invalid_arguments"
    status = 422
    hint = "`remit tools --json` has the schema."


class InvalidInput(Misuse):
    """The input is not what this command takes."""

    code = "invalid_input"
    status = 422
    hint = "`--help` shows the form."


class NoHome(InvalidInput):
    """There is no Remit home."""

    code = "no_home"
    hint = "Make one with `remit init`, or name one with --home or REMIT_HOME."


class InvalidEvent(Misuse):
    """The event is not what its trigger can read."""

    code = "invalid_event"
    hint = "`remit triggers show NAME` says what it reads from an event."


class EventTooLarge(Misuse):
    """The event is longer than its trigger takes."""

    code = "event_too_large"
    status = 413
    hint = "Send a reference to what is large, or raise `bytes_max` of the trigger."


class InvalidSetting(Misuse):
    """A setting has no valid value."""

    code = "invalid_setting"
    hint = "The configuration reference lists every setting with its unit and bounds."


class NotFound(Misuse):
    """Not found."""

    code = "not_found"
    status = 404
    hint = "`remit missions`, `approvals`, `agents`, `tools` and `policies` list what there is."


class StateTooLarge(Misuse):
    """A part of the working state, or a note, is larger than is kept."""

    code = "state_too_large"
    status = 413
    hint = "Keep what steers the work, and leave documents where they are: name them."


class Unauthenticated(Misuse):
    """The request does not say who asks."""

    code = "unauthenticated"
    status = 401
    hint = "Send the bearer token that `remit serve` wrote to serve.json in its home."


class Misdirected(Misuse):
    """The request is addressed to another host than this one."""

    code = "misdirected"
    status = 421
    hint = "Address the server as 127.0.0.1 or localhost."


class Foreign(Misuse):
    """The request comes from a page or a name that is not of this machine."""

    code = "foreign_origin"
    status = 403
    hint = "Address the server as 127.0.0.1 or localhost, and from no page of another origin."


class InvalidPlan(Misuse):
    """The plan cannot be carried out."""

    code = "invalid_plan"
    status = 422
    hint = "Every step needs a known skill or tool and may wait only for steps of the same plan."


class ReferenceEmpty(Misuse):
    """A step's input refers to something that is not there."""

    code = "reference_empty"
    status = 422
    hint = "Mend the reference, give the step a condition (`when`), or write `?` at the reference's end."


class ConditionUnclear(Misuse):
    """A step's condition cannot be told."""

    code = "condition_unclear"
    status = 422
    hint = "Ask with `has(...)` for what may be missing."


class UnknownSkill(Misuse):
    """No production agent offers this skill."""

    code = "unknown_skill"
    status = 404
    hint = "`remit agents` lists agents and the skills that they offer."


def catalogue() -> dict[str, type[RemitError]]:
    """Every error by its stable code, in the order of this file."""
    found: dict[str, type[RemitError]] = {}

    def collect(family: type[RemitError]) -> None:
        for error in family.__subclasses__():
            if "code" in error.__dict__:
                found[error.code] = error
            collect(error)

    collect(RemitError)
    return found
