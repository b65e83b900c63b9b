def handler(event, context):
    print("called by", context.caller and context.caller["function"])
    return sorted(set(event["text"].split()))
