"""Files that are read again and again: sheets as people keep them, and the files of deployed
算力标识 systems (CPURL, 互通平台).
"""
