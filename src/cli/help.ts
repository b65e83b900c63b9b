import type { Command } from './command.ts';
import { EXIT_CODE_TEXT } from './exit-code.ts';
import type { Style } from './output.ts';

/** What `lambent --help` prints. */
export function overview(commands: readonly Command[], style: Style): string {
  const width = Math.max(...commands.map((command) => command.name.length));
  const list = commands.map((command) => `  ${style.bold(command.name.padEnd(width))}  ${command.summary}`);
  return `Lambent: serverless on your own machine.

Usage: lambent COMMAND [options]

${list.join('\n')}

  lambent COMMAND --help   shows what a command takes, with examples
  lambent --version        shows the version

Begin with:
  lambent init my-app
  lambent dev my-app
`;
}

/** What `lambent COMMAND --help` prints. */
export function commandHelp(command: Command, style: Style): string {
  const parts = [
    `${command.summary}\n`,
    `Usage: ${usageLine(command)}\n`,
    ...(command.details === undefined ? [] : [`${command.details.trim()}\n`]),
    `Options:\n${optionLines(command)}\n`,
    `Examples:\n${exampleLines(command, style)}\n`,
    `Exit codes:\n${EXIT_CODE_TEXT.map(([code, text]) => `  ${code}  ${text}`).join('\n')}\n`,
  ];
  return parts.join('\n');
}

export function usageLine(command: Command): string {
  const positionals = command.positionals.map((spec) => {
    const name = spec.repeats === true ? `${spec.name}…` : spec.name;
    return spec.required ? ` ${name}` : ` [${name}]`;
  });
  return `lambent ${command.name}${positionals.join('')} [options]`;
}

function optionLines(command: Command): string {
  const rows = Object.entries(command.options).map(([name, option]) => {
    const short = option.short === undefined ? '' : `-${option.short}, `;
    const value = option.kind === 'flag' ? '' : ` ${option.value ?? 'VALUE'}`;
    return [`${short}--${name}${value}`, option.text] as const;
  });
  rows.push(['-h, --help', 'show this help']);
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, text]) => `  ${left.padEnd(width)}  ${text}`).join('\n');
}

function exampleLines(command: Command, style: Style): string {
  return command.examples.map(([line, purpose]) => `  ${line}\n      ${style.dim(purpose)}`).join('\n');
}
