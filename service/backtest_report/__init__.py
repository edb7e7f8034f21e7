"""What a back-test found, told: on the terminal, as JSON and as one page that opens from disk."""
