// Served at "/time": a fetch handler, with a Request and a Response as in a browser.
export default {
  fetch() {
    return new Response(`It is ${new Date().toISOString()}\n`);
  },
};
