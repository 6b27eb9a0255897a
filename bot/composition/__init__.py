"""The composition root: builds every adapter once and joins them; nothing else may.

parts        what reads, keeps or computes      agent    who answers
remediation  what plans, asks and acts          jobs     what runs when
process      the whole bot, started and stopped
"""
