"""Tables as people keep them, in spreadsheets: read, examined for what a spreadsheet destroys, and
written.
"""
