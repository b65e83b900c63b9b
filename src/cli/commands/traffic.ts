import type { LiveApp } from '../../model/deployment.ts';
import { createApiClient, segment } from '../api-client.ts';
import { parseWholeNumber, quoted, usage } from '../arguments.ts';
import { type Arguments, type Command, JSON_OPTION, SERVER_OPTIONS } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { chooseApp, formatTraffic, parseDeploymentNumber } from '../name-choice.ts';
import { printJson } from '../output.ts';
import type { Terminal } from '../terminal.ts';

export const trafficCommand: Command = {
  name: 'traffic',
  summary: "Show or set how an app's traffic is shared between two deployments",
  positionals: [
    { name: 'app', required: false },
    { name: 'N=PERCENT', required: false, repeats: true },
  ],
  options: { ...SERVER_OPTIONS, ...JSON_OPTION },
  details: `One deployment with 100 percent, or two that add up to 100. Without any, it shows the present shares.
A single deployment needs no percent: \`lambent traffic shop 13\`.`,
  examples: [
    ['lambent traffic shop', 'what serves now'],
    ['lambent traffic shop 12=90 13=10', 'try deployment 13 with a tenth of the requests'],
    ['lambent traffic shop 13', 'all of it to deployment 13'],
  ],
  run: traffic,
};

async function traffic(args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const client = createApiClient(args, terminal);
  // Names of apps cannot hold `=`: then the app was left out.
  const appGiven = args.positionals[0]?.includes('=') ? undefined : args.positionals[0];
  const shares = parseShares(args.positionals.slice(appGiven === undefined ? 0 : 1));
  const present = await chooseApp(client, appGiven);
  const live: Pick<LiveApp, 'traffic'> =
    shares.length === 0
      ? present
      : await client.send<LiveApp>({
          method: 'PUT',
          path: `/apps/${segment(present.app)}/traffic`,
          json: { traffic: shares },
        });
  if (args.flag('json')) printJson(terminal.out, live);
  else terminal.out.write(`${present.app} serves ${formatTraffic(live.traffic)}.\n`);
  return EXIT.ok;
}

function parseShares(given: readonly string[]): { number: number; weight: number }[] {
  const shares = given.map((text) => {
    const [left = '', right, more] = text.split('=');
    if (more !== undefined) throw usage(`${quoted(text)} is not a share`, 'Write it like 12=90.');
    const number = parseDeploymentNumber('A deployment', left);
    if (right === undefined && given.length > 1)
      throw usage(`${quoted(text)} has no percent`, 'Write it like 12=90.');
    return {
      number,
      weight: right === undefined ? 100 : parseWholeNumber(`The percent of d${number}`, right, 1, 100),
    };
  });
  const sum = shares.reduce((total, share) => total + share.weight, 0);
  if (shares.length > 2) throw usage('At most two deployments share the traffic', 'Name one or two.');
  if (shares.length > 0 && sum !== 100)
    throw usage(`The shares add up to ${sum} percent`, 'They must add up to 100.');
  // The API wants the older deployment first.
  return shares.sort((left, right) => left.number - right.number);
}
