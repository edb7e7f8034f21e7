"""Charts, defined once in Altair: notebooks show them, reports embed them, pages serve them as SVG.

Every function takes a plain frame and the words that the chart bears, and gives back an `altair.Chart`: the finding is
told by the page, which also brings the text alternative and the table. Colours, letters and drawing are shared
(`models.plots.theme`). Altair is loaded when a chart is first made, so nothing that only imports this package waits.
"""
