"""What can be done to an object, one verb a file. Each has `async def run(server, call) -> Response`."""
