"""Puppets: a corpus of computer-drawn people with synthetic voices that anyone may use.

``plan`` chooses who shows which emotion; ``identity``, ``expression``, ``scene`` and ``render`` draw the person;
``voice`` speaks; ``corpus`` writes the clips; ``readback`` measures what a network trained on real people reads from
them.
"""
