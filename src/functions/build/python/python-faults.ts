import { LambentError } from '../../../base/errors.ts';

/** What `collect.py` finds wrong with a file. */
export type SourceFault = {
  readonly file: string;
  readonly line: number;
  readonly column: number;
} & (
  | { readonly kind: 'syntax'; readonly message: string; readonly text: string | null }
  | { readonly kind: 'module'; readonly name: string }
);

/** How many faults of one build are told. */
const FAULTS_SHOWN_MAX = 10;
/** The longest part of a source line that is shown, in characters. */
const LINE_SHOWN_MAX = 160;

/** Faults in the author's terms: place, source line, caret, and what to do. */
export function pythonFault(faults: readonly SourceFault[]): LambentError {
  const told = faults.slice(0, FAULTS_SHOWN_MAX).map(tell);
  if (faults.length > told.length) told.push(`… and ${faults.length - told.length} more errors`);
  const { file, line, column, ...first } = faults[0]!;
  const hint =
    first.kind === 'module'
      ? `Add \`${first.name}\` to requirements.txt beside the function or in the app's folder.`
      : undefined;
  return new LambentError('E_BUILD_FAILED', told.join('\n\n'), {
    ...(hint === undefined ? {} : { hint }),
    details: { file, line, column },
  });
}

function tell(fault: SourceFault): string {
  const place = `${fault.file}:${fault.line}:${fault.column}`;
  if (fault.kind === 'module') return `${place}: there is no module named \`${fault.name}\``;
  const text = fault.text?.replace(/\r?\n$/, '') ?? '';
  if (text === '' || text.length > LINE_SHOWN_MAX) return `${place}: ${fault.message}`;
  const indent = text.slice(0, Math.max(0, fault.column - 1)).replaceAll(/[^\t]/g, ' ');
  return `${place}: ${fault.message}\n  ${text}\n  ${indent}^`;
}
