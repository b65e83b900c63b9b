import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { JournalEntry } from '../src/model/journal.ts';
import { WITHOUT_GO } from '../sdk/go/test-go.ts';
import { writeApp } from './platform-harness.ts';
import { commandOf, descendantsOf, poll } from './process-table.ts';
import { type Server, startServer, waitForToken } from './server-process.ts';

/**
 * The platform and its instances are killed at random moments: every execution ends all the same, each recorded step
 * with one result, whatever it is written in.
 */

const APP = {
  'lambent.yaml':
    'app: etl\nfunctions: { double: {} }\nworkflows: { load-node: {}, load-python: {}, load-go: {} }\n',
  'functions/double.ts': 'export const handler = async ({ value }: { value: number }) => value * 2;',
  'workflows/load-node.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx, start: number) => {
  let value = start;
  for (let round = 0; round < 4; round += 1) {
    value = await ctx.step('add ' + round, () => value + 1);
    value = await ctx.call<number>('double', { value });
    await ctx.sleep('30ms');
  }
  return value;
});`,
  'workflows/load-python.py': `
from lambent import WorkflowContext, workflow

@workflow
async def load(ctx: WorkflowContext, start: int) -> int:
    value = start
    for turn in range(4):
        value = await ctx.step(f"add {turn}", lambda: value + 1)
        value = await ctx.call("double", {"value": value})
        await ctx.sleep("30ms")
    return value
`,
  'workflows/load-go.go': `package main

import (
	"context"
	"fmt"
	"time"

	lambent "lambent.dev/go"
)

func main() { lambent.StartWorkflows(lambent.Workflow("load-go", load)) }

func load(ctx *lambent.WorkflowContext, value int) (int, error) {
	for round := 0; round < 4; round++ {
		added, err := lambent.Step(ctx, fmt.Sprint("add ", round), func(context.Context) (int, error) { return value + 1, nil })
		if err != nil {
			return 0, err
		}
		if value, err = lambent.CallFunction[int](ctx, "double", map[string]int{"value": added}); err != nil {
			return 0, err
		}
		if err := ctx.Sleep(30 * time.Millisecond); err != nil {
			return 0, err
		}
	}
	return value, nil
}
`,
};
const LANGUAGES = ['node', 'python', 'go'];
/** Of an instance: below the data folder. */
const PROGRAM = /lambent-workflows-[^ ]+\/data\/[^ ]+\/(main\.mjs|main\.py|bootstrap)$/;
const EXECUTIONS = 45;
const workflowOf = (place: number): string => `load-${LANGUAGES[place % LANGUAGES.length]}`;
const KILLS = 4;

const skip = process.platform === 'linux' ? WITHOUT_GO : 'the sandbox needs Linux';

describe('workflows on a server that is killed', { timeout: 120_000, skip }, () => {
  let folder = '';
  let app = '';
  let server: Server | undefined;
  let token = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-workflows-'));
    app = await writeApp(join(folder, 'etl'), APP);
  });
  after(async () => {
    server?.child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  const api = async (method: string, path: string, body?: unknown): Promise<never> => {
    const response = await fetch(`${server!.url}/_lambent/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return (await response.json()) as never;
  };

  it('finishes all of them, and repeats nothing that is recorded', async () => {
    server = await startServer(join(folder, 'data'), [app], ['--accept-isolation=E']);
    token = await waitForToken(server);
    const started = await Promise.all(
      Array.from({ length: EXECUTIONS }, (_, place) =>
        api('POST', `/apps/etl/workflows/${workflowOf(place)}/executions?key=k${place}`, place),
      ),
    );
    const ids = started.map(({ id }: { id: string }) => id);
    for (let kill = 0; kill < KILLS; kill += 1) {
      // Somewhere in the middle of the work: as soon as some have got a little further.
      await further(ids);
      if (kill % 2 === 0) {
        // The code alone dies, between its steps or in one; the platform begins it anew.
        for (const pid of instancesOf(server.child.pid!)) process.kill(pid, 'SIGKILL');
        await further(ids);
      }
      server.child.kill('SIGKILL');
      await once(server.child, 'exit');
      server = await startServer(join(folder, 'data'), [], ['--accept-isolation=E']);
    }
    for (const [place, id] of ids.entries()) {
      const outcome = (await api('GET', `/executions/${id}/result?wait=60`)) as {
        status: string;
        output: number;
      };
      let expected = place;
      for (let round = 0; round < 4; round += 1) expected = (expected + 1) * 2;
      assert.deepEqual([outcome.status, outcome.output], ['succeeded', expected]);
      const { items } = (await api('GET', `/executions/${id}/history?limit=1000`)) as {
        items: JournalEntry[];
      };
      const ends = items.flatMap((entry) => (entry.kind === 'completed' ? [entry.op] : []));
      assert.equal(new Set(ends).size, ends.length, 'each operation has one result');
      assert.equal(ends.length, 12);
    }
    const again = (await api('POST', `/apps/etl/workflows/${workflowOf(3)}/executions?key=k3`, 3)) as {
      id: string;
    };
    assert.equal(again.id, ids[3]);
  });

  /** Processes that run code of the app: their programs lie in the data folder. */
  const instancesOf = (pid: number): number[] =>
    descendantsOf(pid).filter((each) => PROGRAM.test(commandOf(each)));

  /** Resolves when some of the executions have got a little further, or all have ended. */
  async function further(ids: readonly string[]): Promise<void> {
    const progress = async () => {
      const { items } = (await api('GET', '/executions?limit=1000')) as {
        items: { id: string; entries: number; endedMs?: number }[];
      };
      const own = items.filter((each) => ids.includes(each.id));
      return {
        entries: own.reduce((sum, each) => sum + each.entries, 0),
        open: own.filter((each) => each.endedMs === undefined).length,
      };
    };
    const before = await progress();
    await poll(async () => {
      const { entries, open } = await progress();
      return open === 0 || entries >= before.entries + 25;
    });
  }
});
