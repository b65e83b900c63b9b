import type { LiveFunction, Trigger } from './answers.ts';

/** An event to begin with. */
export interface Template {
  readonly title: string;
  readonly event: unknown;
}

/** Made of what the function really gets: its own triggers, with what their patterns ask for, and its own routes. */
export function templatesOf(
  view: Pick<LiveFunction, 'app' | 'name'> & Partial<Pick<LiveFunction, 'routes'>>,
  triggers: readonly Trigger[],
): Template[] {
  const own = triggers.filter(
    (each) => each.function === view.name && each.id.startsWith(`${view.app}/`) && each.source !== null,
  );
  return [
    ...own.map(({ id, source }) => ({ title: `Trigger ${id.split('/')[1]}`, event: eventOf(id, source!) })),
    ...(view.routes ?? []).slice(0, 3).map(({ method, path }) => ({
      title: `Request ${method} ${path}`,
      event: requestOf(method === 'ANY' ? 'POST' : method, path),
    })),
  ];
}

function eventOf(id: string, source: NonNullable<Trigger['source']>): unknown {
  const [app, name] = id.split('/');
  const time = new Date().toISOString();
  const shared = { specversion: '1.0', id: 'test-1', time, datacontenttype: 'application/json' };
  if (source.kind === 'schedule') {
    const data = { scheduledTime: time, timeZone: source.timeZone ?? 'UTC' };
    const subject = `${app}/${name}`;
    return {
      ...{ ...shared, source: `/lambent/schedules/${subject}`, type: 'lambent.schedule', subject, data },
    };
  }
  if (source.kind === 'events') {
    const wanted = exampleOf(source.pattern) as Record<string, unknown>;
    return { ...shared, source: 'console', type: 'test', data: {}, ...wanted };
  }
  return {
    ...shared,
    source: `/lambent/${source.kind}/${app}/${name}`,
    type: `lambent.${source.kind}`,
    data: {},
  };
}

/** A value that a pattern takes: the first of those that it lists. */
function exampleOf(pattern: unknown): unknown {
  if (Array.isArray(pattern)) return exampleOfRule(pattern[0]);
  if (typeof pattern !== 'object' || pattern === null) return pattern;
  return Object.fromEntries(
    Object.entries(pattern)
      .filter(([name]) => !name.startsWith('$'))
      .map(([name, inner]) => [name, exampleOf(inner)]),
  );
}

function exampleOfRule(rule: unknown): unknown {
  if (typeof rule !== 'object' || rule === null) return rule ?? null;
  const { prefix, suffix, numeric, exists } = rule as Record<string, unknown>;
  if (typeof prefix === 'string') return `${prefix}example`;
  if (typeof suffix === 'string') return `example${suffix}`;
  if (Array.isArray(numeric)) return Number(numeric[1]) + (String(numeric[0]).startsWith('>') ? 1 : 0);
  return exists === false ? null : 'example';
}

/** As a Lambda handler gets it: API Gateway's second format. */
function requestOf(method: string, path: string): unknown {
  const named = path.replaceAll(/:(\w+)/g, (_, name: string) => name).replace('*', 'rest');
  const pathParameters = Object.fromEntries([...path.matchAll(/:(\w+)/g)].map(([, name]) => [name!, name!]));
  return {
    ...{ version: '2.0', routeKey: `${method} ${path}`, rawPath: named, rawQueryString: '' },
    headers: { 'content-type': 'application/json' },
    ...(Object.keys(pathParameters).length === 0 ? {} : { pathParameters }),
    requestContext: {
      http: { method, path: named, protocol: 'HTTP/1.1', sourceIp: '127.0.0.1', userAgent: 'console' },
    },
    ...(method === 'GET' ? {} : { body: '{}' }),
    isBase64Encoded: false,
  };
}

/** In the shapes that functions get from each kind of source. */
export const EVENT_TEMPLATES: Readonly<Record<string, unknown>> = {
  Empty: {},
  'CloudEvent of an app': {
    specversion: '1.0',
    id: 'test-1',
    source: 'console',
    type: 'order.placed',
    time: '2026-01-31T12:00:00Z',
    datacontenttype: 'application/json',
    data: { order: 1 },
  },
  Schedule: {
    specversion: '1.0',
    id: 'test-1',
    source: '/lambent/schedules/app/nightly',
    type: 'lambent.schedule',
    subject: 'app/nightly',
    time: '2026-01-31T02:00:00Z',
    datacontenttype: 'application/json',
    data: { scheduledTime: '2026-01-31T02:00:00Z', timeZone: 'UTC' },
  },
  'HTTP request (API Gateway v2)': {
    version: '2.0',
    routeKey: '$default',
    rawPath: '/hello',
    rawQueryString: 'name=Ada',
    headers: { accept: 'application/json' },
    queryStringParameters: { name: 'Ada' },
    requestContext: {
      http: {
        method: 'GET',
        path: '/hello',
        protocol: 'HTTP/1.1',
        sourceIp: '127.0.0.1',
        userAgent: 'console',
      },
    },
    isBase64Encoded: false,
  },
  'Queue messages (SQS)': {
    Records: [
      {
        messageId: 'test-1',
        body: '{"order":1}',
        attributes: {},
        messageAttributes: {},
        eventSource: 'aws:sqs',
      },
    ],
  },
};
