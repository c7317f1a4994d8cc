"""The web server: uvicorn's HTTP/1.1 over sockets, and our WSGI application behind it in a few threads.

What a client does slowly costs a socket and never a thread. The head of a request, its body, and the answer pass
through one event loop, and a thread is taken only when the request has arrived as a whole. Each way to be slow has a
deadline. docs/decisions/0014-a-slow-client-costs-a-socket.md gives the reasons.

| module | what it does |
|---|---|
| connection.py | one socket: deadlines for the head, for pauses between requests, and for the reader |
| open_connections.py | all sockets of this process: their limit, and which one is closed when there are too many |
| bodies.py | the body of a request: its size, its deadline, and how many may be open |
| fair_queue.py | which request gets a thread, and which ones wait |
| spool.py | what a download has written and its reader has not taken |
| refusals.py | what the server answers by itself, as a page or as plain text |
| bridge.py | the way from a request to the WSGI application and back |
| wsgi.py | the conversion between ASGI and WSGI |

This package knows no page but that of an error. sessions_app/management/web_process.py starts it.
"""
