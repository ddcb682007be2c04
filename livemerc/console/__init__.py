"""What is shown without Textual: lines, tables, progress."""
