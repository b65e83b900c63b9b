import type { ExecutionRecord } from '../model/execution.ts';
import type { JournalEntry } from '../model/journal.ts';
import type { ProgramSession, SessionHost, WorkflowProgram } from '../ports/workflow-program.ts';
import { type CodeProgramOptions, CodeSession } from './code-session.ts';

/** Durable code: each hot execution is one stream of an instance of its version. */
export function createCodeProgram(options: CodeProgramOptions): WorkflowProgram {
  return {
    open(record: ExecutionRecord, history: readonly JournalEntry[], host: SessionHost): ProgramSession {
      const session = new CodeSession(record, host, options);
      session.start(history);
      return session;
    },
  };
}
