"""Ways to a workload: Services, addresses in environments, Ingresses, network policies."""

from tools.doctor.services import addresses, ingresses, policies, routes

ANALYSERS = (*routes.ANALYSERS, *addresses.ANALYSERS, *ingresses.ANALYSERS, *policies.ANALYSERS)
