"""Pods that the API server does not let in: quotas, limits, accounts, policies, webhooks."""

from tools.doctor.admission import quotas, refusals

ANALYSERS = (*quotas.ANALYSERS, *refusals.ANALYSERS)
