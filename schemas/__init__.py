"""What a row is: ids, answers, outcomes, tables, messages, requests and recipes. No I/O, no torch, no Beam."""
