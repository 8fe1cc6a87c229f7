"""The report: one run of a lake as one HTML page that needs nothing else.

`source` opens the run, `measures` counts in SQL, `gallery` and `chain` pick rows to show, `pictures` packs them,
`charts` says what is drawn, `vega` draws it, `page` puts it together.
"""
