/** A platform that is killed while it starts a process has told nobody: each runtime has to notice by itself. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { encodeFrame, FRAME } from '../../src/model/frames.ts';
import { NODE_COMMAND } from './test-instance.ts';
import { PYTHON_COMMAND } from './python-instance.ts';

/** A process that goes on without its platform is found out after this time. */
const END_MS_MAX = 10_000;

for (const [language, command] of Object.entries({ Node: NODE_COMMAND, Python: PYTHON_COMMAND })) {
  describe(`the runtime for ${language} ends without its platform`, () => {
    const start = () => {
      const child = spawn(command[0], command.slice(1), { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
      const ended = once(child, 'exit', { signal: AbortSignal.timeout(END_MS_MAX) });
      ended.catch(() => child.kill('SIGKILL'));
      return { channel: child.stdio[3] as Socket, ended };
    };

    it('that was gone before it looked', async () => {
      const { channel, ended } = start();
      channel.destroy();
      await assert.doesNotReject(ended);
    });

    it('that goes before it gave any code', async () => {
      const { channel, ended } = start();
      // An answer shows that it has begun to listen.
      channel.write(encodeFrame(FRAME.PING, 0, 0));
      await once(channel, 'data', { signal: AbortSignal.timeout(END_MS_MAX) });
      channel.destroy();
      await assert.doesNotReject(ended);
    });
  });
}
