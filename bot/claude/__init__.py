"""Claude: the only importer of anthropic."""
