/** `_X_AMZN_TRACE_ID` in each language whose runtime sets it: what X-Ray's and Powertools' own code reads. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BootMessage } from '../../src/model/frames.ts';
import { startPython } from './python-instance.ts';
import { TestInstance } from './test-instance.ts';

const LANGUAGES = {
  node: (boot?: Partial<BootMessage>) => TestInstance.start('traced.mjs', boot),
  python: (boot?: Partial<BootMessage>) => startPython('traced.py', boot),
};
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const TOLD = `Root=1-${TRACE.slice(0, 8)}-${TRACE.slice(8)};Parent=00f067aa0ba902b7;Sampled`;

for (const [language, start] of Object.entries(LANGUAGES))
  describe(`the variable of the trace: ${language}`, { timeout: 30_000 }, () => {
    it("has the caller's trace, over HTTP and of an event", async () => {
      await using instance = await start();
      const headers = { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` };
      assert.equal((await instance.request({ headers })).text, `${TOLD}=1`);
      const traceparent = `00-${TRACE}-00f067aa0ba902b7-00`;
      assert.equal((await instance.event({}, { traceparent }).end()).text, `"${TOLD}=0"`);
    });

    it('begins a trace where there is none, or none that can be read', async () => {
      await using instance = await start();
      const requestId = '0199f3a0-5b7e-7c11-8a52-00000000002a';
      for (const head of [{ requestId }, { requestId, traceparent: 'nonsense' }])
        assert.equal(
          (await instance.event({}, head).end()).text,
          '"Root=1-0199f3a0-5b7e7c118a5200000000002a;Parent=8a5200000000002a;Sampled=1"',
        );
    });

    it('is not there where several calls share the process', async () => {
      await using instance = await start({ concurrency: 2 });
      assert.equal((await instance.event({}).end()).text, 'null');
    });
  });
