/** Trailers: what follows a body that is sent in chunks, on its way to functions and back. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { WITHOUT_GO } from '../sdk/go/test-go.ts';
import { type AppFiles, startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { RawConnection } from './raw-connection.ts';

/** Answers with a body and, after it, what followed the request's. */
const NODE_SERVER = `const server = require('node:http').createServer(async (request, response) => {
  let body = '';
  for await (const piece of request) body += piece;
  if (request.url.endsWith('/length')) response.setHeader('content-length', 4);
  else response.setHeader('trailer', 'x-sum');
  response.write('body');
  response.addTrailers({ 'x-sum': '4', 'cache-control': 'no', 'x-got': JSON.stringify([body, request.trailers]) });
  response.end();
});
server.listen(process.env.PORT, '127.0.0.1');
`;

const GO_SERVER = `package main

import (
	"encoding/json"
	"io"
	"net/http"

	lambent "lambent.dev/go"
)

func main() {
	lambent.Start(func(w http.ResponseWriter, r *http.Request) {
		_, announced := r.Trailer["X-Sent"]
		if r.URL.Path == "/go/length" {
			w.Header().Set("Content-Length", "4")
		}
		w.Header().Set("Trailer", "X-Sum, X-Unset")
		body, _ := io.ReadAll(r.Body)
		w.Write([]byte("body"))
		w.Header().Set("X-Sum", "4")
		trailers := map[string]string{}
		for name := range r.Trailer {
			trailers[http.CanonicalHeaderKey(name)] = r.Trailer.Get(name)
		}
		got, _ := json.Marshal([]any{string(body), trailers, announced})
		w.Header().Set(http.TrailerPrefix+"X-Got", string(got))
		w.Header().Set(http.TrailerPrefix+"Cache-Control", "no")
	})
}
`;

const APP: AppFiles = {
  'lambent.yaml': `
app: trailers
functions:
  node: { routes: ["/node", "/node/length"] }
  command: { entry: command, command: node server.js, routes: ["/command", "/command/length"] }
${WITHOUT_GO === false ? '  go: { routes: ["/go", "/go/length"] }' : ''}
`,
  'functions/node.js': NODE_SERVER,
  'command/server.js': NODE_SERVER,
  ...(WITHOUT_GO === false
    ? { 'functions/go/main.go': GO_SERVER, 'go.mod': 'module trailers\n\ngo 1.22\n' }
    : {}),
};

async function answerOf(response: IncomingMessage): Promise<{ text: string; trailers: object }> {
  let text = '';
  for await (const piece of response) text += String(piece);
  return { text, trailers: response.trailers };
}

describe('trailers', { timeout: 240_000 }, () => {
  let lambent: TestPlatform;

  before(async () => {
    lambent = await startTestPlatform({ trailers: APP });
  });
  after(() => lambent?.close());

  const ask = async (path: string): Promise<{ text: string; trailers: object }> => {
    const post = request({ port: lambent.port, path, method: 'POST', headers: { trailer: 'x-sent' } });
    post.write('he');
    post.addTrailers({ 'x-sent': 'after' });
    post.end('llo');
    const [response] = (await once(post, 'response')) as [IncomingMessage];
    return answerOf(response);
  };

  for (const path of ['/node', '/command', ...(WITHOUT_GO === false ? ['/go'] : [])]) {
    it(`go through ${path.slice(1)} both ways`, async () => {
      const got = path === '/go' ? ['hello', { 'X-Sent': 'after' }, true] : ['hello', { 'x-sent': 'after' }];
      assert.deepEqual(await ask(path), {
        text: 'body',
        trailers: { 'x-sum': '4', 'x-got': JSON.stringify(got) },
      });
    });

    it(`follow the answer to a plain request to ${path.slice(1)}`, async () => {
      const connection = await RawConnection.open(lambent.port);
      await connection.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      const { headers } = await connection.head();
      assert.match(headers.trailer ?? '', /x-sum/i);
      const rest = await connection.through('\r\n\r\n');
      assert.match(rest, /^4\r\nbody\r\n0\r\nx-sum: 4\r\nx-got: .+\r\n\r\n$/i);
      // The connection is of use again.
      await connection.write('GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n');
      assert.equal((await connection.head()).status, 404);
      connection.destroy();
    });

    it(`of ${path.slice(1)} are left out where the body has a length, and in HTTP/1.0`, async () => {
      const { text, trailers } = await ask(`${path}/length`);
      assert.deepEqual([text, trailers], ['body', {}]);
      const connection = await RawConnection.open(lambent.port);
      await connection.write(`GET ${path} HTTP/1.0\r\nHost: localhost\r\n\r\n`);
      await connection.closed();
      assert.match(connection.waitingText, /^HTTP\/1\.1 200 OK\r\n(?![\s\S]*trailer)[\s\S]*\r\n\r\nbody$/i);
    });
  }
});
