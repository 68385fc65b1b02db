"""The inspector: a local web application that shows a memory; started by `agentmem inspect`.

`views` read a memory and return values, `pages` draw them as HTML, `application` answers requests with them, `access`
decides who may ask.
"""
