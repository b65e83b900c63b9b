import { relative } from 'node:path';
import { nearestOf } from '../base/nearest.ts';
import type { Refusal } from '../gateway/handle-request.ts';
import type { Route } from '../model/deployment.ts';
import { type InvocationRecord, isFailure } from '../model/invocation.ts';
import type { DeployResult } from '../ports/deployer.ts';
import type { PlatformEvent } from '../server/main.ts';
import { formatLogLine } from './log-line.ts';
import {
  counted,
  createStyle,
  formatClock,
  formatDuration,
  renderTable,
  type Style,
  visible,
} from './output.ts';
import { printError } from './print-error.ts';
import type { Terminal } from './terminal.ts';

/** Prints what a platform in this process reports, as one line an event, for the person who watches. */
export function createEventPrinter(
  terminal: Terminal,
  mode: 'dev' | 'start',
): (event: PlatformEvent) => void {
  const style = createStyle(terminal.out, terminal.env);
  const write = (text: string): void => terminal.out.write(text);
  const stamp = (): string => style.dim(formatClock(terminal.clock.nowMs()));
  const routes = new Map<string, readonly Route[]>();
  return (event) => {
    switch (event.kind) {
      case 'line':
        // Reading, building and storing are over before a person could read about them; installing is not.
        if (event.line.step === 'install' || event.line.step === 'tool')
          write(`${stamp()}  ${style.dim(visible(event.line.text))}\n`);
        if (event.line.step === 'skip' || event.line.step === 'warn')
          write(`${stamp()}  ${style.yellow(visible(event.line.text))}\n`);
        return;
      case 'deployed':
        routes.set(event.result.deployment.app, event.result.deployment.routes);
        if (event.reload) write(`${stamp()}  ${style.green('reloaded')} ${describe(event.result)}\n`);
        else write(`${appHeading(event.result, style)}\n`);
        return;
      case 'deployFailed': {
        const where = relative(terminal.cwd, event.folder) || '.';
        terminal.err.write(`${stamp()}  ${style.red('not deployed')}: ${visible(where)}\n`);
        printError(terminal, event.error, event.folder);
        return;
      }
      // A server's terminal is for what concerns the server; `lambent logs` has these.
      case 'log':
        if (mode === 'dev') write(formatLogLine(event.line, style));
        return;
      case 'invocation':
        if (mode === 'dev') write(invocationLine(event.record, style));
        return;
      case 'console':
        if (event.build.status === 'built') write(`${stamp()}  ${style.dim(visible(event.build.text))}\n`);
        else
          terminal.err.write(
            `${stamp()}  ${style.yellow('the console could not be built')}: ${event.build.text}\n`,
          );
        return;
      case 'refused':
        write(refusalLine(event.timeMs, event.refusal, [...routes.values()].flat(), style));
        return;
    }
  };
}

function describe({ deployment, tookMs }: DeployResult): string {
  return `${deployment.app} d${deployment.number} in ${formatDuration(tookMs)}`;
}

/** The app's name and its routes as a table. */
function appHeading(result: DeployResult, style: Style): string {
  const { deployment } = result;
  const workflows = deployment.functions.filter((item) => item.config.workflow).length;
  const functions = counted(deployment.functions.length - workflows, 'function');
  const size = workflows === 0 ? functions : `${functions}, ${counted(workflows, 'workflow')}`;
  const heading = `${style.bold(deployment.app)}  ${style.dim(`d${deployment.number}, ${size}, built in ${formatDuration(result.tookMs)}`)}\n`;
  if (deployment.routes.length === 0)
    return `${heading}It has no routes: call its functions with \`lambent invoke\`.\n`;
  return (
    heading +
    renderTable(
      [{ title: 'METHOD' }, { title: 'ROUTE' }, { title: 'FUNCTION' }],
      deployment.routes.map(routeRow),
      style,
    )
  );
}

function routeRow(route: Route): string[] {
  return [route.method, `${route.host ?? ''}${route.path}`, route.function];
}

/** `09:05:01  GET /users/42  200  1.2 ms  cold 38 ms`. */
function invocationLine(record: InvocationRecord, style: Style): string {
  const totalMs = (record.queueUs + record.startUs + record.runUs) / 1000;
  const what = record.summary === '' ? `${record.trigger} ${record.function}` : record.summary;
  const parts = [
    style.dim(formatClock(record.arrivedMs)),
    visible(what),
    outcome(record, style),
    formatDuration(totalMs),
    ...(record.cold ? [style.dim(`cold ${formatDuration(record.startUs / 1000)}`)] : []),
  ];
  return `${parts.join('  ')}\n`;
}

/** Routes that are shown to whoever asked for another, where none is near it. */
const ROUTES_SHOWN = 5;

/** `09:05:01  GET /usres  404 E_ROUTE_NOT_FOUND  nearest route: ANY /users`. */
function refusalLine(
  timeMs: number,
  { method, host, path, error }: Refusal,
  routes: readonly Route[],
  style: Style,
): string {
  const parts = [
    style.dim(formatClock(timeMs)),
    visible(`${method} ${path}`),
    style.yellow(`${error.facts.status} ${error.code}`),
  ];
  if (error.code === 'E_ROUTE_NOT_FOUND') parts.push(visible(hintOf(method, path, routes)));
  else if (error.code === 'E_HOST_REFUSED') parts.push(visible(`Host: ${host}`));
  return `${parts.join('  ')}\n`;
}

function hintOf(method: string, path: string, routes: readonly Route[]): string {
  if (routes.length === 0) return 'there are no routes';
  const parts = path.split('/');
  /** As the route would be asked for with the parts of this very path. */
  const asAsked = new Map(
    routes.map((route) => {
      const filled = route.path.split('/').map((part, index) => (part.startsWith(':') ? parts[index] : part));
      return [`${route.method === 'ANY' ? method : route.method} ${filled.join('/')}`, route];
    }),
  );
  // Every path is near the root.
  asAsked.delete(`${method} /`);
  const nearest = asAsked.get(nearestOf(`${method} ${path}`, asAsked.keys()) ?? '');
  if (nearest !== undefined) return `nearest route: ${nearest.method} ${nearest.path}`;
  const shown = [...new Set(routes.map((route) => `${route.method} ${route.path}`))];
  return `routes: ${shown.slice(0, ROUTES_SHOWN).join(', ')}${shown.length > ROUTES_SHOWN ? ' …' : ''}`;
}

function outcome(record: InvocationRecord, style: Style): string {
  const { httpStatus, status } = record;
  const text = httpStatus === 0 ? status : String(httpStatus);
  const shown = status === 'ok' || httpStatus === 0 ? text : `${text} ${record.error?.code ?? status}`;
  if (httpStatus >= 500 || isFailure(status)) return style.red(shown);
  if (httpStatus >= 400 || status === 'cancelled') return style.yellow(shown);
  return style.green(shown);
}
