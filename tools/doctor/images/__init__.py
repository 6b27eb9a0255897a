"""Images that cannot be had, by what the registry answered."""

from tools.doctor.images import pulls

ANALYSERS = pulls.ANALYSERS
