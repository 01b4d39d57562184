"""What a person or a program touches; no logic."""
