import type { ExecutionRecord } from '../../model/execution.ts';
import type { JournalEntry } from '../../model/journal.ts';
import type { MapIteration, MapRunReader } from '../../ports/map-run-reader.ts';
import type { AslProgramOptions } from './asl-session.ts';
import type { Program } from './definition.ts';
import type { IterationRecord, MapRun } from './machine-state.ts';
import { machineOf, OpenWorks, replay } from './replay.ts';

/**
 * The iterations of distributed Maps as executions of their own. Nothing of them is stored beside the journal of the
 * execution that they belong to: the machine is fed with that again, and notes each iteration's history on the way.
 */
export function createMapRunReader(
  find: AslProgramOptions['find'],
  programOf: (digest: string, definition: string) => Program,
): MapRunReader {
  return {
    async iterations(
      record: ExecutionRecord,
      history: readonly JournalEntry[],
      mapRun: string,
    ): Promise<readonly MapIteration[]> {
      const [first] = history;
      const input = first?.kind === 'started' && 'json' in first.input ? first.input.json : null;
      const execution = await find(record, input);
      if (execution === undefined) return [];
      const program = programOf(record.version, execution.definition);
      const records: IterationRecord[] = [];
      const facts = { ...execution.facts, runId: record.id };
      const { state, seed } = machineOf(program, facts, history, records);
      await replay(state, history, new OpenWorks(seed));
      const run = state.mapRuns.find(({ name }) => name === mapRun);
      if (run === undefined) return [];
      return records.filter((each) => each.mapRun === mapRun).map((each) => iterationOf(each, run));
    },
  };
}

function iterationOf(record: IterationRecord, run: MapRun): MapIteration {
  const { index, startedMs, input, events, redrives, end } = record;
  const whole = { index, startedMs, input, events, redrives };
  if (end !== undefined) return { ...whole, ...end };
  // A Map that has ended took what was under way with it.
  return run.endedMs === undefined
    ? { ...whole, status: 'RUNNING' }
    : { ...whole, status: 'ABORTED', endedMs: run.endedMs };
}
