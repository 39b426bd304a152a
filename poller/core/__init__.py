"""Small parts that every package may use: errors, times, patterns, text, events."""
