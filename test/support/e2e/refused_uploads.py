"""Sends one upload a number of times, each over its own connection, and prints the answers as JSON.

The request comes as JSON on standard input. A connection that breaks is printed in the answer's place.
"""

import http.client
import json
import sys



def send(request):
    connection = http.client.HTTPConnection("127.0.0.1", request["port"], timeout=120)
    try:
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
        return {"status": response.status, "code": problem["code"]}
    except (OSError, http.client.HTTPException) as error:
        return {"broken": repr(error)}
    finally:
        connection.close()


request = json.load(sys.stdin)
json.dump([send(request) for _ in range(request["times"])], sys.stdout)
