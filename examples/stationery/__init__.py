"""A small team of one agent: it looks at the stock of paper and pens, and orders what runs low."""
