import { createApiClient } from '../api-client.ts';
import type { UsageItem, UsageView } from '../api-views.ts';
import { type Arguments, type Command, JSON_OPTION, SERVER_OPTIONS } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { createStyle, formatTime, printJson, renderTable } from '../output.ts';
import type { Terminal } from '../terminal.ts';

const DAYS_DEFAULT = 30;
const DAYS_MAX = 3_650;
const DAY_MS = 86_400_000;
const MB_MS_IN_GB_S = 1024 * 1000;

export const costCommand: Command = {
  name: 'cost',
  summary: "Show each function's use, and what AWS Lambda would charge for it",
  positionals: [],
  options: {
    days: { kind: 'text', value: 'N', text: `over the last N days (${DAYS_DEFAULT})` },
    ...SERVER_OPTIONS,
    ...JSON_OPTION,
  },
  details: `The price is AWS Lambda's list price for requests and compute, without the free tier, discounts, data transfer
or what stands around a function there (API Gateway, logs). History that was pruned does not count.`,
  examples: [
    ['lambent cost', `the last ${DAYS_DEFAULT} days`],
    ['lambent cost --days 1 --json', 'the last day, for a script'],
  ],
  run: cost,
};

async function cost(args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const client = createApiClient(args, terminal);
  const days = args.wholeNumber('days', 1, DAYS_MAX) ?? DAYS_DEFAULT;
  const to = Math.ceil(terminal.clock.nowMs());
  const usage = await client.send<UsageView>({
    method: 'GET',
    path: '/usage',
    query: { from: to - days * DAY_MS, to },
  });
  if (args.flag('json')) {
    printJson(terminal.out, usage);
    return EXIT.ok;
  }
  const style = createStyle(terminal.out, terminal.env);
  const { source, date, region } = usage.priceTable;
  const sum = usage.items.reduce((total, item) => total + item.awsCostUsd, 0);
  const rows = [...usage.items].sort((left, right) => right.awsCostUsd - left.awsCostUsd).map(usageRow);
  terminal.out.write(
    `${formatTime(usage.from)} to ${formatTime(usage.to)}\n${renderTable(COLUMNS, rows, style)}
The same calls at AWS Lambda's list price: ${style.bold(formatUsd(sum))}
${style.dim(`Prices of ${date} for ${region}, from ${source}.`)}\n`,
  );
  return EXIT.ok;
}

const COLUMNS = [
  { title: 'FUNCTION' },
  { title: 'MEMORY', align: 'right' },
  { title: 'CALLS', align: 'right' },
  { title: 'ERRORS', align: 'right' },
  { title: 'COLD', align: 'right' },
  { title: 'BILLED S', align: 'right' },
  { title: 'GB-S', align: 'right' },
  { title: 'AT AWS', align: 'right' },
] as const;

function usageRow(item: UsageItem): string[] {
  return [
    `${item.app}/${item.function}`,
    `${item.memoryMb} MB`,
    String(item.invocations),
    String(item.errors),
    String(item.coldStarts),
    (item.billedMs / 1000).toFixed(1),
    (item.billedMbMs / MB_MS_IN_GB_S).toFixed(2),
    formatUsd(item.awsCostUsd),
  ];
}

/** Whole cents for amounts that matter; for those of a few calls, two digits that are not zero. */
function formatUsd(amount: number): string {
  if (amount === 0 || amount >= 0.995) return `$${amount.toFixed(2)}`;
  return `$${amount.toFixed(Math.min(12, 1 - Math.floor(Math.log10(amount))))}`;
}
