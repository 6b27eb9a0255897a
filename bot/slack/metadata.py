"""What marks our own messages in Slack, so that they are known again after a crash."""

METADATA_POST = "sre_agent_outbox"  # a row of the outbox, by its id
METADATA_ANSWER = "sre_agent_answer"  # an answer that was shown to its end
