"""The web server: uvicorn's HTTP/1.1 over sockets, and our WSGI application behind it in a few threads.

What a client does slowly costs a socket and never a thread: the head of a request, its body, and the answer pass
through one event loop, and a thread is taken only for a request that is here as a whole. Each way to be slow has a
deadline. docs/decisions/0014-a-slow-client-costs-a-socket.md says why it is so.

| module | what it holds |
|---|---|
| connection.py | one socket: deadlines for heads, for pauses between requests, and for readers |
| crowd.py | all sockets of this process: how many, and who goes when there are too many |
| bodies.py | the body of a request: its size, its deadline, how many may be open |
| lanes.py | who gets one of the threads, and who waits for one |
| spool.py | what a download has written and its reader has not taken |
| bridge.py | from a request to the WSGI application and back |
| wsgi.py | the words in which both speak |

Knows nothing of pages. sessions_app/management/web_process.py starts it.
"""
