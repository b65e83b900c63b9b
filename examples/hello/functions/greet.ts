const GREETINGS = ['Hello', 'Hallo', 'Bonjour', 'Hola', 'Ciao', 'Hej', 'Merhaba', 'Konnichiwa'];

/** Lives as long as the instance does: a warm function remembers. */
let visitors = 0;

export default {
  fetch(_request: Request, _env: unknown, { params }: { params: { name: string } }): Response {
    const { name } = params;
    const greeting = GREETINGS[visitors % GREETINGS.length];
    visitors += 1;
    console.log(`greeting ${name}, visitor ${visitors}`);
    return Response.json({ text: `${greeting}, ${name}!`, visitor: visitors });
  },
};
