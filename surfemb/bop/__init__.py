"""The BOP challenge's formats and its score (Hodan et al., "BOP Challenge 2020", ECCVW 2020). Millimetres there, metres here."""
