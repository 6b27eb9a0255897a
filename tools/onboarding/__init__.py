"""Learning a catalogue from a platform nobody described: what its metrics, labels and types tell.

    names + metadata ──families──> families ──conventions (data)──┐
    rows of labels ──subjects, statuses──> who, and what failed ──┴──> drafts ──limits──> proposals

Pure: whoever asks the store stands in `bot.core.upkeep.onboarding`.
"""
