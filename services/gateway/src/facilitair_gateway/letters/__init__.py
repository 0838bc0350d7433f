"""Dead letters for operators: read without a group, put back, corrected, discarded."""
