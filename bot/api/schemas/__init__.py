"""What the API takes and answers: pydantic models made from the domain's nouns, one file each."""
