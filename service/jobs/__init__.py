"""Work that takes its time: a queue in the store, workers that take from it, and a timetable that fills it."""
