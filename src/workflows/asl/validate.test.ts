import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDefinition } from './validate.ts';

const one = (state: object, more: object = {}): object => ({ StartAt: 'A', States: { A: state }, ...more });
const end = { End: true };
const task = { Type: 'Task', Resource: 'arn:aws:states:::lambda:invoke', ...end };
const map = (more: object): object => ({
  Type: 'Map',
  ...end,
  ItemProcessor: one({ Type: 'Pass', ...end }),
  ...more,
});

const query = (state: object): object => ({ ...state, QueryLanguage: 'JSONata' });
const STANDARD = { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' };
const reader = 'arn:aws:states:::s3:getObject';
const distributed = (config: object, more: object = {}): object =>
  map({
    ItemProcessor: { ProcessorConfig: config, StartAt: 'I', States: { I: { Type: 'Succeed' } } },
    ...more,
  });

/** A definition, and one of the faults that it must be told. */
const cases: readonly (readonly [object | string, code: string, location: string])[] = [
  ['{', 'INVALID_JSON_DESCRIPTION', '/'],
  ['[]', 'INVALID_JSON_DESCRIPTION', '/'],
  [{ States: { A: { Type: 'Succeed' } } }, 'SCHEMA_VALIDATION_FAILED', '/StartAt'],
  [{ StartAt: 'A', States: {} }, 'SCHEMA_VALIDATION_FAILED', '/States'],
  [{ StartAt: 'B', States: { A: { Type: 'Succeed' } } }, 'MISSING_TRANSITION_TARGET', '/StartAt'],
  [one({ Type: 'Succeed' }, { Extra: 1 }), 'SCHEMA_VALIDATION_FAILED', '/Extra'],
  [one({ Type: 'Succeed' }, { TimeoutSeconds: 0 }), 'SCHEMA_VALIDATION_FAILED', '/TimeoutSeconds'],
  [one({ Type: 'Sleep' }), 'SCHEMA_VALIDATION_FAILED', '/States/A/Type'],
  [one({ Type: 'Pass' }), 'SCHEMA_VALIDATION_FAILED', '/States/A'],
  ['', 'MISSING_DESCRIPTION', '/'],
  [one({ Type: 'Pass', Next: 'A' }), 'MISSING_END_STATE', '/States'],
  [
    one({
      Type: 'Parallel',
      ...end,
      Branches: [{ StartAt: 'B', States: { B: { Type: 'Pass', Next: 'B' } } }],
    }),
    'MISSING_END_STATE',
    '/States/A/Branches/0/States',
  ],
  [
    { StartAt: 'x'.repeat(81), States: { ['x'.repeat(81)]: { Type: 'Succeed' } } },
    'INVALID_STATE_NAME',
    `/States/${'x'.repeat(81)}`,
  ],
  [
    one({ ...task, Resource: 'arn:aws:lambda:us-east-1:1:function:a:b:c' }),
    'INVALID_RESOURCE',
    '/States/A/Resource',
  ],
  [one(map({ Label: 'a b' })), 'INVALID_LABEL_NAME', '/States/A/Label'],
  [
    {
      StartAt: 'A',
      States: {
        A: { ...map({ Label: 'l' }), End: undefined, Next: 'C' },
        C: { ...map({ Label: 'l', ItemProcessor: { StartAt: 'D', States: { D: { Type: 'Succeed' } } } }) },
      },
    },
    'DUPLICATE_LABEL_NAME',
    '/States/C/Label',
  ],
  [
    one({ ...task, Resource: 'arn:aws:states:::dynamodb:putItem' }),
    'UNSUPPORTED_RESOURCE',
    '/States/A/Resource',
  ],
  [
    one({ ...task, Resource: 'arn:aws:states:::aws-sdk:s3:listBuckets' }),
    'UNSUPPORTED_RESOURCE',
    '/States/A/Resource',
  ],
  [one({ ...task, Parameters: { a: '$.b' } }), 'NO_DOLLAR', '/States/A/Parameters/a'],
  [one({ ...task, Parameters: { a: 'costs $5' } }), 'OK', ''],
  [one({ Type: 'Fail', Error: '$.error' }), 'NO_PATH', '/States/A/Error'],
  [one({ Type: 'Pass', ...end, Result: { 'a.$': '$.b' } }), 'PASS_RESULT_IS_STATIC', '/States/A/Result'],
  [one({ Type: 'Pass', Next: 'x/y' }), 'MISSING_TRANSITION_TARGET', '/States/A/Next'],
  [one({ Type: 'Pass', ...end, Parameters: { 'a.$': 'x' } }), 'INVALID_JSONPATH', '/States/A/Parameters/a.$'],
  [
    one({ Type: 'Pass', ...end, Parameters: { a: { 'b.$': 'States.No()' } } }),
    'INVALID_JSONPATH',
    '/States/A/Parameters/a/b.$',
  ],
  [one({ Type: 'Pass', ...end, ResultPath: '$[*]' }), 'INVALID_JSONPATH', '/States/A/ResultPath'],
  [one({ Type: 'Pass', ...end, Assign: { '1x': 1 } }), 'SCHEMA_VALIDATION_FAILED', '/States/A/Assign/1x'],
  [
    one({ Type: 'Pass', ...end, Assign: { states: 1 } }),
    'SCHEMA_VALIDATION_FAILED',
    '/States/A/Assign/states',
  ],
  [one({ Type: 'Pass', ...end, Output: 1 }), 'SCHEMA_VALIDATION_FAILED', '/States/A/Output'],
  [
    one({ Type: 'Choice', Choices: [{ Variable: '$.t', TimestampLessThan: 'noon', Next: 'A' }] }),
    'SCHEMA_VALIDATION_FAILED',
    '/States/A/Choices/0/TimestampLessThan',
  ],
  [
    one(
      distributed(STANDARD, {
        ItemReader: { Resource: reader, ReaderConfig: { InputType: 'CSV', CSVHeaderLocation: 'GIVEN' } },
      }),
    ),
    'SCHEMA_VALIDATION_FAILED',
    '/States/A/ItemReader/ReaderConfig',
  ],
  [
    one({ Type: 'Pass', ...end, QueryLanguage: 'JSONata', Output: { a: ['{% 1 + %}'] } }),
    'INVALID_JSONATA_EXPRESSION',
    '/States/A/Output/a/0',
  ],
  [
    one({ ...task, Retry: [{ ErrorEquals: ['States.ALL', 'X'] }] }),
    'SCHEMA_VALIDATION_FAILED',
    '/States/A/Retry/0/ErrorEquals',
  ],
  [
    one({ ...task, Retry: [{ ErrorEquals: ['X'], BackoffRate: 0.5 }] }),
    'SCHEMA_VALIDATION_FAILED',
    '/States/A/Retry/0/BackoffRate',
  ],
  [
    one({ ...task, Catch: [{ ErrorEquals: ['X'], Next: 'B' }] }),
    'MISSING_TRANSITION_TARGET',
    '/States/A/Catch/0/Next',
  ],
  [
    one({ ...task, TimeoutSeconds: 5, HeartbeatSeconds: 5 }),
    'SCHEMA_VALIDATION_FAILED',
    '/States/A/HeartbeatSeconds',
  ],
  [
    one({ Type: 'Wait', ...end, Timestamp: '2026-02-30T00:00:00Z' }),
    'SCHEMA_VALIDATION_FAILED',
    '/States/A/Timestamp',
  ],
  [
    one({ Type: 'Choice', Choices: [{ Variable: '$.a', Equals: 1, Next: 'A' }] }),
    'SCHEMA_VALIDATION_FAILED',
    '/States/A/Choices/0/Equals',
  ],
  [
    one({ Type: 'Choice', Choices: [{ Variable: '$.a', NumericEquals: '1', Next: 'A' }] }),
    'SCHEMA_VALIDATION_FAILED',
    '/States/A/Choices/0/NumericEquals',
  ],
  [
    one({ Type: 'Choice', Choices: [{ Not: { Variable: 'a', IsNull: true }, Next: 'A' }] }),
    'INVALID_JSONPATH',
    '/States/A/Choices/0/Not/Variable',
  ],
  [
    one({ Type: 'Choice', Choices: [{ Variable: '$.a', IsNull: true, Next: 'A' }], Default: 1 }),
    'SCHEMA_VALIDATION_FAILED',
    '/States/A/Default',
  ],
  [
    one(query({ ...task, Arguments: { a: '{% $states.result %}' } })),
    'INVALID_JSONATA_EXPRESSION',
    '/States/A/Arguments/a',
  ],
  [
    one(query({ Type: 'Pass', ...end, Output: '{% $sum($states.result) %}' })),
    'INVALID_JSONATA_EXPRESSION',
    '/States/A/Output',
  ],
  [
    one(query({ ...task, Output: '{% $states.errorOutput.Cause %}' })),
    'INVALID_JSONATA_EXPRESSION',
    '/States/A/Output',
  ],
  ...["{% name & '!' %}", '{% $sum(a.b) %}', '{% [a ? 1 : 2] %}', "{% {'b': a} %}"].map(
    (text) =>
      [
        one(query({ Type: 'Pass', ...end, Output: text })),
        'UNSUPPORTED_JSONATA_EXPRESSION',
        '/States/A/Output',
      ] as const,
  ),
  [
    one(query({ Type: 'Pass', ...end, Output: '{% $$.a %}' })),
    'INVALID_JSONATA_EXPRESSION',
    '/States/A/Output',
  ],
  ...[
    '{% $states.input.a[b = 1].(c + d){e: $sum(f)}^(g) %}',
    '{% $map($states.input, function($v) { $v.a }) %}',
    '{% ($x := $states.input; $x[a > 1]) %}',
    "{% $states.input ~> |a|{'b': c}| %}",
  ].map((text) => [one(query({ Type: 'Pass', ...end, Output: text })), 'OK', ''] as const),
  [
    one(query({ ...task, Output: '{% $states.result %}', Assign: { a: ['{% $states.result.b %}'] } })),
    'OK',
    '',
  ],
  [
    {
      StartAt: 'A',
      States: {
        A: query({
          ...task,
          Catch: [{ ErrorEquals: ['States.ALL'], Next: 'B', Output: '{% $states.errorOutput %}' }],
        }),
        B: { Type: 'Succeed' },
      },
    },
    'OK',
    '',
  ],
  [
    one(distributed({ Mode: 'DISTRIBUTED' })),
    'SCHEMA_VALIDATION_FAILED',
    '/States/A/ItemProcessor/ProcessorConfig',
  ],
  [one(distributed(STANDARD, { ItemReader: { Resource: reader, Parameters: {} } })), 'OK', ''],
  [
    one(distributed(STANDARD, { ItemReader: { Resource: reader, Arguments: {} } })),
    'SCHEMA_VALIDATION_FAILED',
    '/States/A/ItemReader/Arguments',
  ],
  [
    one(query(distributed(STANDARD, { ItemBatcher: { MaxItemsPerBatchPath: '$.n' } }))),
    'SCHEMA_VALIDATION_FAILED',
    '/States/A/ItemBatcher/MaxItemsPerBatchPath',
  ],
  [one(map({ ItemSelector: {}, Parameters: {} })), 'SCHEMA_VALIDATION_FAILED', '/States/A/Parameters'],
  [
    one({ Type: 'Parallel', ...end, Branches: [one({ Type: 'Succeed' })] }),
    'DUPLICATE_STATE_NAME',
    '/States/A/Branches/0/States/A',
  ],
  [
    { StartAt: 'A', States: { A: { Type: 'Succeed' }, 'B/~': { Type: 'Succeed' } } },
    'MISSING_TRANSITION_TARGET',
    '/States/B~1~0',
  ],
];

test('each mistake is told with where it is', () => {
  for (const [definition, code, location] of cases) {
    const text = typeof definition === 'string' ? definition : JSON.stringify(definition);
    const { diagnostics } = parseDefinition(text);
    const told = diagnostics.map((each) => `${each.code} ${each.location}`);
    if (code === 'OK') assert.deepEqual(told, [], text);
    else assert.ok(told.includes(`${code} ${location}`), `${text}\n${told.join('\n')}`);
  }
});

test('a Map or Parallel lends its language to none of the states within', () => {
  const faults = (definition: object): string[] =>
    parseDefinition(JSON.stringify(definition)).diagnostics.map(({ location }) => location);
  const within = (state: object): object => ({ StartAt: 'I', States: { I: { ...state, End: true } } });
  const jsonata = { Type: 'Pass', Output: '{% 1 %}' };
  const jsonPath = { Type: 'Pass', Parameters: { 'a.$': '$' } };
  const each = (state: object, more: object = {}): object =>
    query(map({ Items: [1], ItemProcessor: { ...within(state), ...more } }));
  assert.deepEqual(faults(one(each(jsonPath))), []);
  assert.deepEqual(faults(one(each(query(jsonata)))), []);
  assert.deepEqual(faults(one(each(jsonata))), ['/States/A/ItemProcessor/States/I/Output']);
  assert.deepEqual(faults(one(each(jsonPath, { QueryLanguage: 'JSONPath' }))), [
    '/States/A/ItemProcessor/QueryLanguage',
  ]);
  assert.deepEqual(faults(one(query({ Type: 'Parallel', ...end, Branches: [within(jsonPath)] }))), []);
  assert.deepEqual(faults(query(one({ Type: 'Parallel', ...end, Branches: [within(jsonata)] }))), []);
});

test('what is too large or too deep is refused', () => {
  const nested = `{"StartAt":"A","States":{"A":{"Type":"Pass","End":true,"Result":${'['.repeat(100_000)}${']'.repeat(100_000)}}}}`;
  assert.equal(parseDefinition(nested).diagnostics[0]?.code, 'INVALID_JSON_DESCRIPTION');
  const long = JSON.stringify(one({ Type: 'Pass', ...end, Result: 'x'.repeat(1_048_576) }));
  assert.equal(parseDefinition(long).diagnostics[0]?.code, 'INVALID_JSON_DESCRIPTION');
  let deep: object = { Type: 'Succeed' };
  for (let level = 0; level < 30; level += 1)
    deep = {
      Type: 'Parallel',
      ...end,
      Branches: [{ StartAt: `S${level}`, States: { [`S${level}`]: deep } }],
    };
  const { program, diagnostics } = parseDefinition(JSON.stringify(one(deep)));
  assert.deepEqual([program, diagnostics.at(0)?.code], [undefined, 'TOO_DEEPLY_NESTED']);
});

test('an EXPRESS machine waits for nobody else', () => {
  const faults = (definition: object): string[] =>
    parseDefinition(JSON.stringify(definition), true).diagnostics.map(({ location }) => location);
  for (const resource of [
    'states:::states:startExecution.sync:2',
    'states:::lambda:invoke.waitForTaskToken',
    'states:us-east-1:1:activity:a',
  ])
    assert.deepEqual(faults(one({ ...task, Resource: `arn:aws:${resource}` })), ['/States/A/Resource']);
  assert.deepEqual(faults(one(distributed(STANDARD))), ['/States/A/ItemProcessor/ProcessorConfig/Mode']);
  assert.deepEqual(faults(one(task)), []);
});

test('an execution goes on with a definition that is refused by now, where it can run', () => {
  const { program, diagnostics } = parseDefinition(JSON.stringify(one({ Type: 'Pass', Next: 'A' })));
  assert.ok(program !== undefined);
  assert.deepEqual(
    diagnostics.map(({ severity, code }) => [severity, code]),
    [['ERROR', 'MISSING_END_STATE']],
  );
});

test('a warning is no reason to refuse a definition', () => {
  const { program, diagnostics } = parseDefinition(JSON.stringify(one({ Type: 'Fail', Cause: '$.cause' })));
  assert.ok(program !== undefined);
  assert.deepEqual(
    diagnostics.map(({ severity, code }) => [severity, code]),
    [['WARNING', 'NO_PATH']],
  );
});
