/** Events to begin with, in the shapes that functions get from each kind of source. */
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
