/**
 * The types of `console/answers.ts`, from the OpenAPI document that the server makes of its own schemas: a type for
 * each named schema, and `Answers` with what each operation answers. The generators that are to be had need the
 * compiler's JavaScript interface, which TypeScript has no more since version 7. Only what this document uses of JSON
 * Schema is understood; anything else is an error.
 */

type Schema = Readonly<Record<string, unknown>>;

export const OPENAPI_PATH = '/_lambent/api/openapi.json';

export interface ApiDocument {
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, Content>> }>>;
}

interface Content {
  readonly schema?: Schema;
}

const HEADER = `// biome-ignore-all format: written by a program
/** What the control API answers. Written by \`npm run docs\` from the server's OpenAPI document; edits are lost. */
`;

export function createConsoleAnswers({ components, paths }: ApiDocument): string {
  const types = Object.entries(components.schemas)
    .sort(byName)
    .map(([name, schema]) => `\nexport type ${name} = ${typeOf(schema)};\n`);
  const answers = Object.values(paths)
    .flatMap((methods) => Object.values(methods))
    .map(({ operationId, responses }): [string, string] => [operationId, answerOf(responses)])
    .filter(([, type]) => type !== '')
    .sort(byName)
    .map(([operation, type]) => `  readonly ${operation}: ${type};\n`);
  return `${HEADER}${types.join('')}\n/** By the operation's id. */\nexport interface Answers {\n${answers.join('')}}\n`;
}

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number =>
  a < b ? -1 : a > b ? 1 : 0;

/** Of the answers that are JSON and no error; more than one where the status says which. */
function answerOf(responses: Operation['responses']): string {
  const types = Object.entries(responses).flatMap(([status, { content }]) => {
    const schema = content?.['application/json']?.schema;
    return status.startsWith('2') && schema !== undefined ? [typeOf(schema)] : [];
  });
  return [...new Set(types)].join(' | ');
}

const DESCRIBING: ReadonlySet<string> = new Set(['description', 'example', 'default', 'title']);

function typeOf(schema: Schema): string {
  const { $ref, allOf, oneOf, anyOf, enum: values, const: value, type } = schema;
  if ($ref !== undefined) return ($ref as string).replace('#/components/schemas/', '');
  if (Array.isArray(allOf)) return allOf.filter(saysSomething).map(typeOf).map(grouped).join(' & ');
  const choices = oneOf ?? anyOf;
  if (Array.isArray(choices)) return [...new Set(choices.map(typeOf))].join(' | ');
  if (value !== undefined) return literal(value);
  if (Array.isArray(values)) return values.map(literal).join(' | ');
  if (Array.isArray(type)) return type.map((each) => typeOf({ ...schema, type: each })).join(' | ');
  switch (type) {
    case 'string':
    case 'boolean':
    case 'null':
      return type;
    case 'number':
    case 'integer':
      return 'number';
    case 'array':
      return arrayOf(schema);
    case 'object':
      return objectOf(schema);
    case undefined:
      if (!saysSomething(schema)) return 'unknown';
  }
  throw new Error(`no type is known for the schema ${JSON.stringify(schema).slice(0, 200)}`);
}

const saysSomething = (schema: Schema): boolean => Object.keys(schema).some((key) => !DESCRIBING.has(key));

function arrayOf({ prefixItems, items = {} }: Schema): string {
  if (Array.isArray(prefixItems)) return `readonly [${prefixItems.map(typeOf).join(', ')}]`;
  return `readonly ${grouped(typeOf(items as Schema))}[]`;
}

function objectOf({ properties = {}, required = [], additionalProperties }: Schema): string {
  const fields = Object.entries(properties as Readonly<Record<string, Schema>>).map(([name, schema]) => {
    const mark = (required as readonly string[]).includes(name) ? '' : '?';
    return `readonly ${/^[A-Za-z_$][\w$]*$/.test(name) ? name : literal(name)}${mark}: ${typeOf(schema)}`;
  });
  // `false` says that there are no others, which is what a type says anyway.
  if (typeof additionalProperties === 'object')
    fields.push(`readonly [name: string]: ${typeOf(additionalProperties as Schema)}`);
  return fields.length === 0 ? 'Readonly<Record<string, unknown>>' : `{ ${fields.join('; ')} }`;
}

const literal = (value: unknown): string =>
  typeof value === 'string' ? `'${value.replaceAll("'", "\\'")}'` : String(value);

const grouped = (type: string): string => (/^[\w{]+$|^\{[^{}]*\}$/.test(type) ? type : `(${type})`);
