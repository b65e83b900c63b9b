import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, it, type TestContext } from 'node:test';
import { type AppFiles, startTestPlatform, type TestPlatform } from './platform-harness.ts';

/** Programs of any language in the strongest sandbox of this machine: each in a network of its own. */

const LOOP = `#!/bin/bash
set -euo pipefail
API="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
while true; do
  HEADERS="$(mktemp)"
  curl -sS -o /dev/null -D "$HEADERS" "$API/invocation/next"
  ID=$(grep -Fi Lambda-Runtime-Aws-Request-Id "$HEADERS" | tr -d '[:space:]' | cut -d: -f2)
  curl -sS -o /dev/null "$API/invocation/$ID/response" -d "{\\"api\\":\\"$AWS_LAMBDA_RUNTIME_API\\",\\"passwd\\":$(grep -c . /etc/passwd)}"
done
`;

const FILES: AppFiles = {
  'lambent.yaml': `
app: apart
functions:
  loop: { routes: [] }
  one: { command: "python3 -m http.server 8080", port: 8080, entry: one, routes: ["/one.txt"] }
  two: { command: "python3 -m http.server 8080", port: 8080, entry: two, routes: ["/two.txt"] }
`,
  'functions/loop/bootstrap': LOOP,
  'one/one.txt': 'one',
  'two/two.txt': 'two',
};

let lambent: TestPlatform;
before(async () => {
  lambent = await startTestPlatform({ apart: FILES }, { isolation: 'best' });
});
after(() => lambent.close());

/** Leaves the test out where the machine has no such sandbox: its doctor says what is missing. */
function needsIsolation(context: TestContext): boolean {
  const { level, summary } = lambent.platform.isolation;
  if (level === 'E') context.skip(`no isolation here: ${summary}`);
  return level !== 'E';
}

describe('programs in a sandbox', { timeout: 60_000 }, () => {
  it('listen on the same port, each in its own network', async (context) => {
    if (!needsIsolation(context)) return;
    const texts = await Promise.all(
      ['/one.txt', '/two.txt'].map(async (path) => (await lambent.fetch(path)).text()),
    );
    assert.deepEqual(texts, ['one', 'two']);
  });

  it('find the programs of the machine, but neither its users nor each other', async (context) => {
    if (!needsIsolation(context)) return;
    const { json } = await lambent.api('POST', '/apps/apart/functions/loop/invocations', {});
    const { api, passwd } = (json as { result: { api: string; passwd: number } }).result;
    assert.equal(passwd, 1);
    const [host, port] = api.split(':');
    const reached = await new Promise<boolean>((resolve) => {
      const socket = connect(Number(port), host!, () => {
        socket.destroy();
        resolve(true);
      });
      socket.on('error', () => resolve(false));
    });
    assert.equal(reached, false);
  });
});
