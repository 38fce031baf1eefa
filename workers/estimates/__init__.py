"""The estimate worker's side: a question in, an answer out."""
