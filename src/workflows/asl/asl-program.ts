import { LambentError, toLambentError } from '../../base/errors.ts';
import { type ExecutionRecord, RULES } from '../../model/execution.ts';
import type { JournalEntry } from '../../model/journal.ts';
import type { ProgramSession, SessionHost, WorkflowProgram } from '../../ports/workflow-program.ts';
import { failureOf } from '../failures.ts';
import { type AslProgramOptions, AslSession } from './asl-session.ts';
import type { Program } from './definition.ts';
import { parseDefinition } from './validate.ts';

/*
 * ASL as a front end of the engine: the machine of advance.ts between an execution's journal and its operations.
 *
 * Each thing that the machine takes in is one transition of the journal: what came, the operations that the machine
 * opened and closed then, and a note with its time, its input and the history's events. The notes are the history.
 * After a crash, or when a waiting execution goes on, the machine is fed with them again.
 */

/** What can come of a definition and a journal that were well by the rules of before. */
const RULES_DECIDE: ReadonlySet<string> = new Set(['E_NON_DETERMINISTIC', 'E_INVALID_DEFINITION']);

/** Parsed definitions that are kept. */
const PROGRAMS_KEPT = 200;

type ProgramOf = (digest: string, definition: string) => Program;

export function createPrograms(): ProgramOf {
  const programs = new Map<string, Program>();
  return (digest, definition) => {
    const known = programs.get(digest);
    if (known !== undefined) return known;
    const { program, diagnostics } = parseDefinition(definition);
    if (program === undefined) {
      throw new LambentError(
        'E_INVALID_DEFINITION',
        `the definition cannot run: ${diagnostics[0]?.message ?? ''}`,
      );
    }
    if (programs.size >= PROGRAMS_KEPT) programs.clear();
    programs.set(digest, program);
    return program;
  };
}

export function createAslProgram(options: AslProgramOptions, programOf: ProgramOf): WorkflowProgram {
  return {
    open(record: ExecutionRecord, history: readonly JournalEntry[], host: SessionHost): ProgramSession {
      const session = new AslSession(record, host, options);
      const begin = async (): Promise<void> => {
        const [first] = history;
        const input = first?.kind === 'started' && 'json' in first.input ? first.input.json : null;
        const execution = await options.find(record, input);
        if (execution === undefined) {
          throw new LambentError('E_NOT_FOUND', `the definition of workflow ${record.workflow} is gone`);
        }
        const facts = { ...execution.facts, runId: record.id };
        try {
          await session.begin(programOf(record.version, execution.definition), facts, history);
        } catch (thrown) {
          explainRules(record, thrown);
        }
      };
      session.enqueue(begin, (thrown) => host.lost(failureOf(toLambentError(thrown)), false));
      return session;
    },
  };
}

/** What the rules of now refuse, or go on with in another way, is nobody's fault but the platform's where it is older. */
function explainRules({ id, rules }: ExecutionRecord, thrown: unknown): never {
  const error = toLambentError(thrown);
  if (!RULES_DECIDE.has(error.code) || rules >= RULES.asl) throw error;
  throw new LambentError(
    'E_RULES_CHANGED',
    `execution ${id} began by rules ${rules} of state machines; this platform has rules ${RULES.asl}, by which it cannot go on from its history (${error.message}). Start it again, or let it end on the version of Lambent that it began on.`,
  );
}
