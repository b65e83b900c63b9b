const PERIOD_MS = 1000;

export default {
  fetch(request: Request): Response {
    const encoder = new TextEncoder();
    let timer: NodeJS.Timeout | undefined;
    const stop = () => clearInterval(timer);
    const body = new ReadableStream({
      start(controller) {
        const tick = () => controller.enqueue(encoder.encode(`data: ${new Date().toISOString()}\n\n`));
        tick();
        timer = setInterval(tick, PERIOD_MS);
        // The caller went away: nobody reads on.
        request.signal.addEventListener('abort', () => {
          stop();
          controller.close();
        });
      },
      cancel: stop,
    });
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  },
};
