// A web standard fetch handler: a Request comes in, a Response goes out.
export default {
  fetch(request: Request): Response {
    const { pathname } = new URL(request.url);
    const name = decodeURIComponent(pathname.split('/')[2] ?? 'world');
    return Response.json({ message: `Hello, ${name}!` });
  },
};
