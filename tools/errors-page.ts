import type { ErrorFacts } from '../src/base/error-facts.ts';
import { ERROR_TABLE } from '../src/base/error-table.ts';

const FAULTS: Record<ErrorFacts['fault'], string> = {
  caller: 'the caller',
  author: 'the author of the function or app',
  operator: 'whoever runs the platform',
};

/** The text of docs/errors.md. */
export function createErrorsPage(): string {
  const lines = [
    '# Errors',
    '',
    '<!-- Written by `npm run docs` from src/base/error-table.ts; change it there. -->',
    '',
    'Every error of Lambent has a code that stays the same over versions, in the API as in the command line:',
    '',
    '```json',
    '{ "error": { "code": "E_ROUTE_NOT_FOUND", "message": "…", "fault": "caller", "retryable": false, "hint": "…" } }',
    '```',
    '',
    '*Fault* says who can mend it. *Retry* says whether the same act can succeed later without anybody changing',
    'anything; where the platform knows when, the answer carries `Retry-After`. `details` holds facts for programs',
    '(file, line, limit), never secrets.',
    '',
    '| code | HTTP | fault | retry |',
    '|---|---|---|---|',
  ];
  const rows = Object.entries(ERROR_TABLE);
  for (const [code, facts] of rows) {
    const retry = facts.retryable ? 'yes' : 'no';
    lines.push(`| [${code}](#${code.toLowerCase()}) | ${facts.status} | ${FAULTS[facts.fault]} | ${retry} |`);
  }
  for (const [code, facts] of rows) {
    lines.push('', `## ${code}`, '', facts.meaning, '', `*What to do:* ${facts.hint}`);
  }
  return `${lines.join('\n')}\n`;
}
