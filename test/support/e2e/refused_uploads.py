"""Sends one upload a number of times, each over its own connection, and prints the answers as JSON.

The request comes as JSON on standard input. A connection that breaks is an exception, and an exit code other than 0.
"""

import http.client
import json
import sys

request = json.load(sys.stdin)
answers = []
for _ in range(request["times"]):
    connection = http.client.HTTPConnection("127.0.0.1", request["port"], timeout=120)
    with open(request["bodyFile"], "rb") as body:
        headers = dict(request["headers"])
        if not request["chunked"]:
            headers["Content-Length"] = str(body.seek(0, 2))
            body.seek(0)
        connection.request(
            request["method"], request["target"], body=body, headers=headers, encode_chunked=request["chunked"]
        )
        response = connection.getresponse()
        problem = json.loads(response.read())
    connection.close()
    answers.append({"status": response.status, "code": problem["code"]})
json.dump(answers, sys.stdout)
