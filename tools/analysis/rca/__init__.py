"""Why it broke: facts about subjects, chains of them, a test at every hop, one of five verdicts.

    what was read ──object_facts, log_facts, metric_facts …──> Snapshot (facts, edges, gaps)
        ──chains──> Hypothesis (start … symptom) ──hop_tests──> ──verdict──> Finding

Pure: the same snapshot gives the same answer, in whatever order its parts come.
"""
