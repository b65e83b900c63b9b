# An ASGI app. One of FastAPI or Starlette is called in the same way: put it into requirements.txt and name it `app`.
async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    name = scope["path"].removeprefix("/hello/").strip("/") or "world"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": f"Hello, {name}!\n".encode()})
