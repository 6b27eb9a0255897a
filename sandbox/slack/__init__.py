"""A local Slack: Web API, Socket Mode and a page; an unmodified Bolt app runs on it."""
