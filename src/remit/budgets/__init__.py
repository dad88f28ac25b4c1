"""Budgets: a tree of limits (tenant > mission > agent); the worst case is held before a call and settled after it."""

from remit.budgets.document import BudgetDocument
from remit.budgets.tree import CURRENCY, BudgetPath, mission_balance, tenant_balance, token_balance

__all__ = ["CURRENCY", "BudgetDocument", "BudgetPath", "mission_balance", "tenant_balance", "token_balance"]
