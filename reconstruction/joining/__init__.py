"""Two captures of one object, turned over between them, become one: where the second lies in the frame of the first.

Features and shape both propose; what is proposed must hold against both captures' outlines and be clearly better than the next best.
"""
