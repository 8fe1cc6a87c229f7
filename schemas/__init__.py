"""What a row is: ids, answers, outcomes, Arrow schemas, messages, worker requests and recipes. No I/O, no torch, no Beam."""
