"""The composition root: builds every adapter once and joins them; nothing else may.

parts    what reads, keeps or computes      remedy   what plans, asks and acts
agent    who answers                        jobs     what runs when
process  the whole bot, started and stopped
"""
