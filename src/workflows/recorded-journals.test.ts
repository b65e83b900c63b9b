import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ExecutionId, NodeId } from '../base/ids.ts';
import { ManualClock } from '../base/manual-clock.ts';
import { type Log, silentLog } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import { type ExecutionRecord, RULES } from '../model/execution.ts';
import type { AppName } from '../model/function.ts';
import { type JournalEntry, journalEntrySchema, type Failure } from '../model/journal.ts';
import { createActivityBell } from '../ports/activity-bell.ts';
import type { NewExecution } from '../ports/journal-store.ts';
import { openStore } from '../store-sqlite/store.ts';
import { createAslProgram, createPrograms } from './asl/asl-program.ts';
import { WorkflowEngine } from './engine.ts';

/** Journals that earlier platforms wrote: an execution goes on from them, or is refused and says why. */

const RECORDED = join(import.meta.dirname, '../../test/fixtures/recorded-journals');
interface Recorded {
  readonly definition: unknown;
  readonly entries: readonly JournalEntry[];
}
const read = async <Name extends string>(file: string): Promise<Record<Name, Recorded>> =>
  JSON.parse(await readFile(join(RECORDED, file), 'utf8')) as Record<Name, Recorded>;
const older = await read<'cut' | 'plain'>('asl-rules-1.json');
const second = await read<'cut' | 'plain' | 'within'>('asl-rules-2.json');

const id = '01a3d0b2-2222-7000-8000-000000000001' as ExecutionId;

/** What comes of an execution with this journal: it goes on, or is lost. */
async function goOn({ definition, entries }: Recorded, rules: number): Promise<'goes on' | Failure> {
  const clock = new ManualClock();
  const program = createAslProgram(
    {
      find: async () => ({
        definition: JSON.stringify(definition),
        facts: {
          executionArn: '',
          name: '',
          roleArn: '',
          stateMachineArn: '',
          stateMachineName: '',
        } as never,
      }),
      services: {} as never,
      bell: createActivityBell(),
      clock,
    },
    createPrograms(),
  );
  const record = { id, app: 'old', workflow: 'old', kind: 'asl', version: 'v', rules } as ExecutionRecord;
  return await new Promise((resolve) => {
    program.open(record, entries, { submit: () => resolve('goes on'), lost: resolve });
  });
}

describe('recorded journals', () => {
  it('are still of the shape that journals have', () => {
    for (const { entries } of [older.cut, older.plain, second.cut, second.plain, second.within])
      for (const entry of entries) assert.deepEqual(journalEntrySchema.parse(entry), entry);
  });

  it('of older rules are gone on from where the rules of now say the same', async () => {
    assert.equal(await goOn(older.plain, 1), 'goes on');
    assert.equal(await goOn(second.plain, 2), 'goes on');
  });

  it('of older rules are refused where they do not, with what to do', async () => {
    const refused = await goOn(older.cut, 1);
    assert.ok(typeof refused === 'object');
    assert.equal(refused.code, 'E_RULES_CHANGED');
    assert.match(
      refused.errorMessage,
      /^execution 01a3d0b2-\S+ began by rules 1 of state machines; this platform has rules \d+, by which it cannot go on from its history \(.*8.*\)\. Start it again, or let it end on the version of Lambent that it began on\.$/,
    );
    const own = await goOn(older.cut, RULES.asl);
    assert.equal(
      typeof own === 'object' && own.code,
      'E_NON_DETERMINISTIC',
      'by its own rules it is a fault',
    );
  });

  it('are refused as well where a definition is none any more, or a Catch takes another error', async () => {
    for (const recorded of [second.cut, second.within]) {
      const refused = await goOn(recorded, 2);
      assert.equal(typeof refused === 'object' && refused.code, 'E_RULES_CHANGED');
    }
  });

  it('of newer rules are left alone', async (t) => {
    const clock = new ManualClock();
    const folder = await mkdtemp(join(tmpdir(), 'lambent-rules-'));
    const opened = await openStore({ folder, clock, log: silentLog });
    t.after(async () => {
      await opened.close();
      await rm(folder, { recursive: true, force: true });
    });
    const store = { ...opened.journal };
    const told: string[] = [];
    const log = { error: (message: string) => told.push(message) } as unknown as Log;
    let wasTold = () => {};
    const engine = new WorkflowEngine({
      ...{ store, clock, log, random: createSeededRandom(1), mintUuid: () => id },
      programs: {},
      catalog: { known: () => undefined, deployment: async () => undefined } as never,
      call: () => assert.fail('nothing of it runs'),
      node: 'n' as NodeId,
    });
    const newer: NewExecution = {
      ...{ id, app: 'new' as AppName, workflow: 'w', kind: 'asl', version: 'v', deployment: 1 },
      ...{ rules: RULES.asl + 1, entries: older.plain.entries.slice(0, 1), priority: 0 },
      ...{ parent: undefined, expiresMs: undefined },
    };
    const { release } = store;
    const released = new Promise<void>((resolve) => {
      wasTold = resolve;
    });
    store.release = async (...how) => {
      const done = await release(...how);
      wasTold();
      return done;
    };
    await engine.create(newer, clock.nowMs());
    await released;
    assert.deepEqual(told, ['an execution of a newer version of Lambent waits for that version']);
    const { status, dueMs, entries } = (await store.find(id))!;
    assert.deepEqual([status, dueMs! > clock.nowMs() + 60_000, entries], ['waiting', true, 1]);
    await engine.close();
  });
});
