const GREETINGS = ['Hello', 'Hallo', 'Bonjour', 'Hola', 'Ciao', 'Hej', 'Merhaba', 'Konnichiwa'];

/** Lives as long as the instance does: a warm function remembers. */
let visitors = 0;

export default {
  fetch(request: Request): Response {
    const name = decodeURIComponent(new URL(request.url).pathname.split('/')[2] ?? 'you');
    const greeting = GREETINGS[visitors % GREETINGS.length];
    visitors += 1;
    console.log(`greeting ${name}, visitor ${visitors}`);
    return Response.json({ text: `${greeting}, ${name}!`, visitor: visitors });
  },
};
