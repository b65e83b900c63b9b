import { CALLER_HEADER, callerText, readAll } from '../child/calls-api.ts';
import type { Shim } from '../child/shim.ts';
import { EVENT_URL, RESULT_BYTES_MAX, sendTextResult } from '../node/fetch-handler.ts';
import type { Invocation } from '../node/invocations.ts';
import { withWholeBody } from '../node/whole-body.ts';
import { type ServerProxy, REQUEST_ID_HEADER } from './server-proxy.ts';

/** An event reaches a web server as a POST to `/` with the event as its JSON body, as it reaches fetch handlers. */
export function deliverEvent(proxy: ServerProxy, invocation: Invocation, shim: Shim): void {
  withWholeBody(invocation, shim, (body) => {
    const { requestId, traceparent, caller } = invocation.event;
    const from = callerText(caller);
    const headers = [
      ...['host', new URL(EVENT_URL).host, 'content-type', 'application/json'],
      ...['content-length', String(body.length), REQUEST_ID_HEADER, requestId],
      ...(from === undefined ? [] : [CALLER_HEADER, from]),
      ...(traceparent === undefined ? [] : ['traceparent', traceparent]),
    ];
    const request = proxy.open({ method: 'POST', target: '/' }, headers, false);
    request.once('response', (response) => {
      readAll(response, RESULT_BYTES_MAX)
        .then((answer) => sendTextResult(invocation, response.statusCode ?? 502, answer))
        .catch((thrown: unknown) => proxy.fail(invocation, thrown));
    });
    request.on('error', (error) => proxy.failUnanswered(invocation, error));
    invocation.onCancel = () => {
      request.destroy();
      invocation.end();
    };
    request.end(body);
  });
}
