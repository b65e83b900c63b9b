import { page } from '../page.ts';

// A web standard fetch handler: a Request comes in, a Response goes out.
export default {
  fetch(): Response {
    return new Response(page, { headers: { 'content-type': 'text/html; charset=utf-8' } });
  },
};
