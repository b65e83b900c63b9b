import type { SandboxDescription } from '../ports/sandbox.ts';

/** How well functions are contained, as one finding of the doctor. */
export function isolationFinding({ driver, level, summary, advice }: SandboxDescription): {
  name: 'isolation';
  status: 'ok' | 'warn';
  text: string;
  fix?: string;
} {
  const text = `Level ${level} by ${driver}: ${summary}`;
  if (level === 'A' || level === 'B') return { name: 'isolation', status: 'ok', text };
  return { name: 'isolation', status: 'warn', text, fix: advice ?? 'Run only code that you trust here.' };
}
