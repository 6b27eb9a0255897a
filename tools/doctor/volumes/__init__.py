"""Claims that are not bound, volumes that are not mounted."""

from tools.doctor.volumes import claims, mounts

ANALYSERS = (*claims.ANALYSERS, *mounts.ANALYSERS)
