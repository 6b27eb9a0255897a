"""What the detector keeps of every series between two cycles, and how it is judged all at once.

    recent     the last four hours, a row per series, a column per minute
    profiles   what was learned of it: the day or week, and the spread of a day
    block      both, and the limits, of up to 2,048 series: what is judged together
    classic    Z-score, MAD and limits of a whole block, equal to `tools.analysis.detect`
    table      every block, and which row is whose
    frozen     a table as plain arrays and back, for the disk

Pure: no clock, no disk. Whoever reads and writes is in `bot.core.detection`.
"""
