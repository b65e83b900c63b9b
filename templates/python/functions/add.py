from lambent import json_of


# A handler with AWS Lambda's signature: over HTTP it gets API Gateway's event (payload 2.0), and what it returns is the
# response. Called with `lambent invoke add --data '{"a": 1, "b": 2}'`, it gets the event itself.
def handler(event, context):
    numbers = json_of(event) if "body" in event else event
    a, b = numbers.get("a", 0), numbers.get("b", 0)
    print(f"adding {a} and {b}")
    return {"sum": a + b}
