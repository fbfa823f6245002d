"""Puppets: computer-drawn people with synthetic voices, a corpus anyone may have.

``plan`` decides who shows and says what; ``identity``, ``actions``, ``scene`` and ``render`` draw it; ``voice`` says
it; ``corpus`` writes it; ``readback`` asks a network that only knows real people what it sees.
"""
