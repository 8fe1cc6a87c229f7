"""Review by people: rows are drawn, shown on one page or in a CSV, and what people said comes back as rows.

`queue` draws, `shown` gathers what a person must see, `page` and `sheet` write it, `verdicts` reads the answers into
the lake. The catalog's `reviews` shows them, and `reviewed()` what they say of each stage.
"""
