"""Pictures of what the signals say, in Altair, which is loaded when a picture is first made."""
