"""Scoring of cases that are posted: an event index on disk, a model in memory, and places to work in.

saved_index   the index of a scoring, in a folder that many processes map into memory
posted        what was posted -> the state of each case
scorer        states -> risks, with the model and the index that it was loaded with
holder        which model and index are in use, and how they are exchanged without a pause
pool          a bounded number of places for work that takes long
"""
