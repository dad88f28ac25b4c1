"""Approvals: what a person is asked, who may answer, and the standing approvals that answer beforehand."""

from remit.approvals.record import ApprovalRecord
from remit.approvals.standing import StandingApproval, StandingApprovalDocument

__all__ = ["ApprovalRecord", "StandingApproval", "StandingApprovalDocument"]
