"""Input that is broken in every way we could think of: each kind costs itself alone, and says what would be right."""
