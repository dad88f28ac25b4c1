"""Agents, skills, tools, workflows and people, as resource files declare them.

`plan_apply` says what files would change, or names everything that is wrong with them at its line; `Registry` answers
from what was applied: who offers a skill, what a tool is, who a principal is. `tools_of` joins what a source offers
with what people declared, and `compare_pins` names what has changed since they accepted it.
"""

from remit.registry.a2a import A2aSource
from remit.registry.agent import AgentDocument, AgentVersion, Autonomy, Skill
from remit.registry.apply import ApplyPlan, Change, plan_apply
from remit.registry.behalf import PRINCIPAL, Exchange
from remit.registry.builder import WorkflowBuilder
from remit.registry.conditions import check_condition, holds, speaks_of_item, steps_in
from remit.registry.differences import Difference
from remit.registry.file_at import file_at
from remit.registry.files import read_files, read_prompts
from remit.registry.kinds import KINDS, NOT_BUILT, Check, Kind, no_check
from remit.registry.limits import UNLIMITED, CallLimits
from remit.registry.models import Models
from remit.registry.names import Names, suggestion
from remit.registry.openapi import OpenApi
from remit.registry.pins import TOOL_TABLE, PinChange, accept_tools, compare_pins, tool_from_json, tool_to_json
from remit.registry.propose import Proposal, proposals, propose
from remit.registry.reach import ClientCertificate, Credential, Network, network_allowing, network_of
from remit.registry.references import LookUp, Reference, as_text, literals, references
from remit.registry.registry import Registry
from remit.registry.soap import SoapSource
from remit.registry.source import REQUESTS, Declaration, ToolSource, ToolSourceDocument, not_offered, tools_of
from remit.registry.sql import SqlCommand, SqlField, SqlLimits, SqlSource
from remit.registry.steps import RetryDocument, WrittenStep, seconds
from remit.registry.stored import TABLE, StoredResource
from remit.registry.subscription import Place, Subscription
from remit.registry.survey import FoundColumn, FoundTable, Survey, declarable, declared_of
from remit.registry.trigger import Schedule, StreamOfOthers, Trigger, Webhook
from remit.registry.trigger_check import REFERENCE, condition
from remit.registry.version import Semver
from remit.registry.workflow import DEFAULT_POOL, Limits, Workflow, WorkflowDocument

__all__ = [
    "DEFAULT_POOL",
    "KINDS",
    "NOT_BUILT",
    "PRINCIPAL",
    "REFERENCE",
    "REQUESTS",
    "TABLE",
    "TOOL_TABLE",
    "UNLIMITED",
    "A2aSource",
    "AgentDocument",
    "AgentVersion",
    "ApplyPlan",
    "Autonomy",
    "CallLimits",
    "Change",
    "Check",
    "ClientCertificate",
    "Credential",
    "Declaration",
    "Difference",
    "Exchange",
    "FoundColumn",
    "FoundTable",
    "Kind",
    "Limits",
    "LookUp",
    "Models",
    "Names",
    "Network",
    "OpenApi",
    "PinChange",
    "Place",
    "Proposal",
    "Reference",
    "Registry",
    "RetryDocument",
    "Schedule",
    "Semver",
    "Skill",
    "SoapSource",
    "SqlCommand",
    "SqlField",
    "SqlLimits",
    "SqlSource",
    "StoredResource",
    "StreamOfOthers",
    "Subscription",
    "Survey",
    "ToolSource",
    "ToolSourceDocument",
    "Trigger",
    "Webhook",
    "Workflow",
    "WorkflowBuilder",
    "WorkflowDocument",
    "WrittenStep",
    "accept_tools",
    "as_text",
    "check_condition",
    "compare_pins",
    "condition",
    "declarable",
    "declared_of",
    "file_at",
    "holds",
    "literals",
    "network_allowing",
    "network_of",
    "no_check",
    "not_offered",
    "plan_apply",
    "proposals",
    "propose",
    "read_files",
    "read_prompts",
    "references",
    "seconds",
    "speaks_of_item",
    "steps_in",
    "suggestion",
    "tool_from_json",
    "tool_to_json",
    "tools_of",
]
