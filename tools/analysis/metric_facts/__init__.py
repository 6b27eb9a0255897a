"""What metrics say, as facts: unusual or not, since when, who holds it, and what callees explain.

series of one metric --readings--> matrix on one grid
--usual: profile | lately, vetoed by yesterday | twins | limit | young--> centre and scale
--unusual: 3 of 4 beyond--> Stretch (since, until, log-ratio)
--own: what abnormal callees do not explain; composition; growth--> facts
"""
