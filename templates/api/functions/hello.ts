// A web standard fetch handler: a Request comes in, a Response goes out.
export default {
  fetch(_request: Request, _env: unknown, ctx: { params: { name?: string } }): Response {
    const { name = 'world' } = ctx.params;
    return Response.json({ message: `Hello, ${name}!` });
  },
};
