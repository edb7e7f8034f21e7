"""The pages, their charts, and the words of both languages."""
