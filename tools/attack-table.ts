import { ATTACKS, type Attack, type Control } from '../test/attacks.ts';

const [BEGIN, END] = [
  '<!-- attacks: written by `npm run docs` from test/attacks.ts -->\n',
  '<!-- end of attacks -->',
];

/** The page with its table of attacks made anew. Throws when it has no place for it. */
export function withAttackTable(page: string): string {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (from < 0 || to < from) throw new Error('the page has no place for the table of attacks');
  const rows = ATTACKS.map(
    (attack) =>
      `| ${attack.tries} | ${attack.denies} | ${languagesOf(attack)} | ${describe(attack.control)} |\n`,
  );
  const head = '\n| attempt | denied by | tested in | control |\n|---|---|---|---|\n';
  return `${page.slice(0, from)}${BEGIN}${head}${rows.join('')}\n${page.slice(to)}`;
}

function languagesOf({ node, others, builds, only }: Attack): string {
  return [
    ...(node === undefined ? [] : ['Node.js']),
    ...(others === undefined ? [] : [only ?? 'Python, Go']),
    ...(builds === undefined ? [] : ['builds']),
  ].join(', ');
}

function describe(control: Control): string {
  if (control === undefined) return 'none';
  if (control === 'plain') return 'without a sandbox';
  return control === 'wide' ? 'with a wider limit' : `without ${control.layer}`;
}
