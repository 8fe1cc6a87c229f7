"""Cards: what a dataset or a policy is and where it came from, told by manifests and SQL and by nothing else.

`dataset.render` and `model.render` give Markdown with the YAML head that the Hub reads, `croissant.describe` gives
Croissant 1.1 of an export; `write` puts them where they belong. Templates lie in `data_cards/`.
"""
