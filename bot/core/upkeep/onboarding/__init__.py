"""`init`: a catalogue is learned from what a platform already tells.

survey ──drafts──> verify ──limits──> proposals ──merge with a person's words──> files
"""
